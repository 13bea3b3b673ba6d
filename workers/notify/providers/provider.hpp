/// The port to message providers: messages, outcomes, and later questions about a message.
#pragma once

#include "concurrency/task.hpp"
#include "uuid/uuid.hpp"

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace omnibus::notify {

/// An approved template, which WhatsApp sends to people who have not written for a day.
struct Template {
  std::string name;
  std::string language;                 ///< as approved: "en", "en_US"
  std::vector<std::string> parameters;  ///< of its body, in order
};

/// One message to one person.
struct OutboundMessage {
  Uuid effect_key;        ///< the same for every attempt: a provider may detect repetitions by it
  std::string recipient;  ///< E.164; on WhatsApp also a wa_id or a business-scoped user id
  std::string text;       ///< formatted for the channel; not used when there is a template
  std::optional<Template> content_template = {};
  std::string sender = {};  ///< empty: the provider's own setting
};

/// The provider accepted the message.
struct Accepted {
  std::string provider_message_id;
};

/// The provider certainly did not accept the message: no byte of it was sent, or the provider says so. Sending it again
/// cannot duplicate it.
struct Refused {
  enum class Kind {
    transient,  ///< the same message may be accepted later
    throttled,  ///< it will be accepted at a lower rate: neither it nor the provider is at fault
    permanent,  ///< it never will be accepted
  };
  Kind kind = Kind::permanent;
  std::string code;    ///< the provider's own ("131026"), or one of `refusal`'s; for the ledger and for metrics
  std::string reason;  ///< safe to log: no personal data, text or credentials
  std::optional<std::chrono::milliseconds> retry_after = {};
  /// The error does not concern this message; others would fail, too: no connection, wrong credentials, an open circuit
  /// breaker. An outage rather than a failure of the event.
  bool of_provider = false;
  /// The request's or the sender's own error: the provider and the account work, so the circuit breaker does not count
  /// it.
  bool spares_breaker = false;
};

/// The outcome is unknown: at least a part of the request was sent, and no clear answer came back.
struct Unknown {
  std::string reason;           ///< safe to log
  bool spares_breaker = false;  ///< as in Refused
};

/// Waits so long.
using Pause = std::function<Task<>(std::chrono::steady_clock::duration)>;

using SendResult = std::variant<Accepted, Refused, Unknown>;

/// Codes of refusals that do not come from the provider.
namespace refusal {
inline constexpr std::string_view not_connected = "not_connected";
inline constexpr std::string_view cancelled = "cancelled";
inline constexpr std::string_view breaker_open = "breaker_open";
inline constexpr std::string_view rate_limited = "rate_limited";
inline constexpr std::string_view recipient_limited = "recipient_limited";
inline constexpr std::string_view no_token = "no_token";
inline constexpr std::string_view unusable_sender = "unusable_sender";
inline constexpr std::string_view invalid_message = "invalid_message";
}  // namespace refusal

/// How a provider helps with a message in doubt. Constant.
struct Capabilities {
  bool honours_key = false;  ///< a message sent again with its effect key is not delivered again
  bool look_up = false;      ///< can be asked for a message's state
};

/// The provider's answer about a message in doubt.
struct LookUp {
  enum class State {
    accepted,  ///< it has the message
    absent,    ///< it does not have it, and would list it if it did
    unknown,   ///< it could not be asked, or it is too early
  };
  State state = State::unknown;
  /// Candidates for the message, the oldest first. More than one when the provider cannot distinguish equal messages:
  /// the message is the only one without another delivery. If each has one, and `settled`, it is absent. If several
  /// have none, nothing can be told.
  std::vector<std::string> provider_message_ids = {};
  std::string reason = {};  ///< why it is unknown; safe to log
  bool settled = false;     ///< the list contains all messages sent by then
};

/// Sends messages to people. Used from one event loop; any number of messages at once; its reference parameters
/// must live until the task ends. Makes one attempt and does not retry.
class Provider {
 public:
  virtual ~Provider() = default;

  virtual std::string_view name() const = 0;     ///< "whatsapp_cloud", "mtn_sms", "twilio_sms"
  virtual std::string_view channel() const = 0;  ///< "whatsapp" or "sms"
  virtual Capabilities capabilities() const = 0;
  /// The tenant's sender that it sends from; nothing for that of the settings.
  virtual std::optional<Uuid> sender_id() const { return std::nullopt; }
  /// The price of one message, or of one segment of an SMS, in millionths of the spend cap's currency.
  virtual std::int64_t unit_price_micros() const = 0;

  /// Waits by `pause` until the provider's limits allow the message; returns why not, if that takes too long. Call it
  /// before the sending is recorded: nothing is sent while it waits.
  virtual Task<std::optional<Refused>> await_turn(OutboundMessage const&, Pause const& /*pause*/) {
    co_return std::nullopt;
  }

  /// Sends a message once. Does not throw: every outcome is a SendResult. If the coroutine is
  /// destroyed while it waits, the outcome is unknown.
  virtual Task<SendResult> send(OutboundMessage const& message) = 0;

  /// Asks for the state of a message that was sent at about that time. Providers without `look_up` answer `unknown`.
  virtual Task<LookUp> look_up(OutboundMessage const& message, std::chrono::system_clock::time_point sent_at) = 0;
};

}  // namespace omnibus::notify
