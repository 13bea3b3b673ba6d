/// Phone numbers: E.164 where they are stored and sent to, masked wherever else they are shown.
#pragma once

#include <compare>
#include <optional>
#include <string>
#include <string_view>

namespace omnibus::messaging {

/// One phone number. It has no formatter and no operator<<, so that it is not logged by accident: say `masked()`.
class PhoneNumber {
 public:
  /// Reads a number as people and providers write it: `+250 788 123 456`, `00250788123456`, or with a region (`RW`) as
  /// it is dialled there, `0788 123 456`. Nothing when it cannot be dialled from abroad: too short or too long for its
  /// country, a short code, a sender's name, letters, an extension, more than 64 bytes. May be called from any thread.
  static std::optional<PhoneNumber> parse(std::string_view text, std::string_view region = {});

  /// The number of a WhatsApp id: digits alone (`250788123456`) or a JID (`250788123456@s.whatsapp.net`, with or
  /// without a device). Nothing for groups, broadcasts and ids that hide the number. What WhatsApp writes in its own
  /// way, as Mexico's 521, becomes the country's.
  static std::optional<PhoneNumber> from_whatsapp(std::string_view id);

  /// `+250788123456`: what tables and events hold.
  std::string const& e164() const { return e164_; }
  /// `250788123456`: WhatsApp's wa_id, and the MSISDN that MTN takes.
  std::string_view digits() const { return std::string_view{e164_}.substr(1); }
  /// `+2507*****56`
  std::string masked() const;

  /// Whether the number lies in a range that is known to be in use. The list is as old as the installed libphonenumber,
  /// so that a number that is not may still be somebody's.
  bool in_use() const { return in_use_; }

  friend bool operator==(PhoneNumber const& left, PhoneNumber const& right) { return left.e164_ == right.e164_; }
  friend auto operator<=>(PhoneNumber const& left, PhoneNumber const& right) { return left.e164_ <=> right.e164_; }

 private:
  PhoneNumber(std::string e164, bool in_use) : e164_{std::move(e164)}, in_use_{in_use} {}

  std::string e164_;
  bool in_use_;
};

/// Whether it is WhatsApp's other name for a person, known to one business only: `RW.`, in a parent's name `RW.ENT.`,
/// and up to 128 letters and digits.
bool is_whatsapp_user_id(std::string_view text);

/// Whether the text is E.164: a plus and 2 to 15 digits, the first no zero.
bool is_e164(std::string_view text);

/// An E.164 number as it may be shown, `+2507*****56`; anything else, and what is too short to hide enough, shows less.
std::string mask_phone_number(std::string_view e164);

/// Whether a setting's value is a region that national numbers can be read in: `RW`, `FR`.
bool is_region(std::string_view text);

}  // namespace omnibus::messaging
