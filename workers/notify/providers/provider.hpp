/// The port to those who carry messages to people: what is sent, what may have become of it, and how one asks later.
#pragma once

#include "concurrency/task.hpp"
#include "uuid/uuid.hpp"

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace omnibus::notify {

/// A text that was approved beforehand, which WhatsApp carries to people who have not written for a day.
struct Template {
  std::string name;
  std::string language;                 ///< as it was approved: "en", "en_US"
  std::vector<std::string> parameters;  ///< of its body, in order
};

/// One message to one person.
struct OutboundMessage {
  Uuid effect_key;        ///< the same for every attempt: what a provider may recognise a repetition by
  std::string recipient;  ///< E.164; on WhatsApp a wa_id or a business-scoped user id does, too
  std::string text;       ///< formatted for the channel; not used when there is a template
  std::optional<Template> content_template = {};
  std::string sender = {};  ///< empty: the provider's own setting
};

/// The provider took the message.
struct Accepted {
  std::string provider_message_id;
};

/// The provider certainly did not take the message: no byte of it left, or the provider says so. Sending it again
/// cannot make two of it.
struct Refused {
  enum class Kind {
    transient,  ///< the same message may be taken later
    throttled,  ///< it will be once there are fewer: neither it nor the provider is to blame
    permanent,  ///< it never will be
  };
  Kind kind = Kind::permanent;
  std::string code;    ///< the provider's own ("131026"), or one of `refusal`'s; for the ledger and for metrics
  std::string reason;  ///< safe to log: nothing of the person, the text or the credentials
  std::optional<std::chrono::milliseconds> retry_after = {};
  /// It says nothing about this message, others would fare the same: no connection, wrong credentials, an open circuit
  /// breaker. An outage rather than a failure of the event.
  bool of_provider = false;
};

/// Nobody can tell: the request, or a part of it, left, and no answer that says what became of it came back.
struct Unknown {
  std::string reason;  ///< safe to log
};

using SendResult = std::variant<Accepted, Refused, Unknown>;

/// Codes of refusals that are not the provider's words.
namespace refusal {
inline constexpr std::string_view not_connected = "not_connected";
inline constexpr std::string_view cancelled = "cancelled";
inline constexpr std::string_view breaker_open = "breaker_open";
inline constexpr std::string_view rate_limited = "rate_limited";
inline constexpr std::string_view recipient_limited = "recipient_limited";
inline constexpr std::string_view no_token = "no_token";
inline constexpr std::string_view invalid_message = "invalid_message";
}  // namespace refusal

/// How a provider helps when nobody can tell. Constant.
struct Capabilities {
  bool honours_key = false;  ///< a message sent again with its effect key is not delivered again
  bool look_up = false;      ///< can be asked what became of a message
};

/// What a provider says of a message that it may have taken.
struct LookUp {
  enum class State {
    accepted,  ///< it has it
    absent,    ///< it has not, and what was sent by then would be there
    unknown,   ///< it could not be asked, or it is too early to say
  };
  State state = State::unknown;
  /// Of the messages that may be it, the oldest first. More than one when the provider cannot tell equal messages
  /// apart: it is the first that no other delivery has; where every one is taken and `settled`, it is absent.
  std::vector<std::string> provider_message_ids = {};
  std::string reason = {};  ///< why it is unknown; safe to log
  bool settled = false;     ///< what was sent by then would be there
};

/// Somebody who carries messages. Used from one event loop; any number of messages at once; the references it is given
/// must live until the task ends. Makes one attempt and repeats nothing by itself.
class Provider {
 public:
  virtual ~Provider() = default;

  virtual std::string_view name() const = 0;     ///< "whatsapp_cloud", "mtn_sms", "twilio_sms"
  virtual std::string_view channel() const = 0;  ///< "whatsapp" or "sms"
  virtual Capabilities capabilities() const = 0;
  /// What one message costs, or one segment of an SMS, in millionths of the currency of the spend cap.
  virtual std::int64_t unit_price_micros() const = 0;

  /// Waits until the message may go, under the provider's limits; why not, when that is too far off. To be asked before
  /// the message counts as on its way: nothing leaves meanwhile.
  virtual Task<std::optional<Refused>> await_turn(OutboundMessage const&) { co_return std::nullopt; }

  /// Sends a message once. Throws nothing of its own: every way it can end is a SendResult. A coroutine that is
  /// destroyed while it waits leaves the fate of its message unknown.
  virtual Task<SendResult> send(OutboundMessage const& message) = 0;

  /// Asks what became of a message that was sent at about that time. Providers without `look_up` answer `unknown`.
  virtual Task<LookUp> look_up(OutboundMessage const& message, std::chrono::system_clock::time_point sent_at) = 0;
};

}  // namespace omnibus::notify
