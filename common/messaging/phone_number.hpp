/// Phone numbers: E.164 in storage and for sending, masked everywhere else.
#pragma once

#include <compare>
#include <optional>
#include <string>
#include <string_view>

namespace omnibus::messaging {

/// One phone number. It has no formatter and no operator<<, so that it is not logged by accident: use `masked()`.
class PhoneNumber {
 public:
  /// Reads a number as people and providers write it: `+250 788 123 456`, `00250788123456`, or with a region (`RW`) as
  /// dialled there, `0788 123 456`. Nothing when it cannot be dialled from abroad: too short or too long for its
  /// country, a short code, a sender's name, letters, an extension, more than 64 bytes. A mobile number with two
  /// spellings, as in Brazil, Argentina and Mexico, gets the current one. May be called from any thread.
  static std::optional<PhoneNumber> parse(std::string_view text, std::string_view region = {});

  /// The same for the sender that a provider names, which was dialled from: with a country code (`+`, `00`), any 8 to
  /// 15 digits are a number, whatever the tables of number lengths say. Also reads the country code without a plus,
  /// and a `tel:` address.
  static std::optional<PhoneNumber> from_provider(std::string_view text, std::string_view region = {});

  /// The number of a WhatsApp id: digits only (`250788123456`) or a JID (`250788123456@s.whatsapp.net`, with or
  /// without a device). Nothing for groups, broadcasts and ids that hide the number. WhatsApp's own
  /// spelling, such as Mexico's 521 or Brazil's without the ninth digit, is converted to the country's.
  static std::optional<PhoneNumber> from_whatsapp(std::string_view id);

  /// `+250788123456`: the form in tables and events.
  std::string const& e164() const { return e164_; }
  /// `250788123456`: the MSISDN that MTN takes. A wa_id may be spelled differently.
  std::string_view digits() const { return std::string_view{e164_}.substr(1); }
  /// `+2507*****56`
  std::string masked() const;

  /// Whether the number is in a range that is known to be in use. The list is as old as the installed libphonenumber,
  /// so a number outside of it may still exist.
  bool in_use() const;

  friend bool operator==(PhoneNumber const& left, PhoneNumber const& right) { return left.e164_ == right.e164_; }
  friend auto operator<=>(PhoneNumber const& left, PhoneNumber const& right) { return left.e164_ <=> right.e164_; }

 private:
  /// @param e164 a number in E.164, in any of its spellings
  static PhoneNumber from_e164(std::string e164);

  explicit PhoneNumber(std::string e164) : e164_{std::move(e164)} {}

  std::string e164_;
};

/// The digits of a WhatsApp id or JID, as WhatsApp spells them; empty if it names no phone number.
std::string_view wa_id_digits(std::string_view id);

/// Whether it is WhatsApp's user id, known to one business only: `RW.`, in a parent's name `RW.ENT.`,
/// and up to 128 letters and digits.
bool is_whatsapp_user_id(std::string_view text);

/// Whether the text is E.164: a plus and 2 to 15 digits, the first not zero.
bool is_e164(std::string_view text);

/// An E.164 number in masked form, `+2507*****56`; any other text, or a number too short to mask, shows fewer digits.
std::string mask_phone_number(std::string_view e164);

/// Whether a setting's value is a region for reading national numbers: `RW`, `FR`.
bool is_region(std::string_view text);

}  // namespace omnibus::messaging
