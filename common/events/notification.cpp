#include "events/notification.hpp"

#include "text/rules.hpp"

namespace omnibus {
namespace {

constexpr std::size_t max_body = 16'000;

}  // namespace

std::optional<InvalidField> validate(NotificationRequested const& request) {
  if (auto invalid = rules::domain("domain", request.domain)) return invalid;
  if (auto invalid =
          rules::one_of("kind", request.kind, {"call_summary", "reply", "message", "opt_out", "opt_in", "help"}))
    return invalid;
  if (request.channels.empty()) return InvalidField{"channels", "must name whatsapp, sms or both"};
  for (auto const& channel : request.channels)
    if (auto invalid = rules::one_of("channels", channel, {"whatsapp", "sms"})) return invalid;
  if (request.channels.size() > 2 || (request.channels.size() == 2 && request.channels[0] == request.channels[1]))
    return InvalidField{"channels", "must name a channel only once"};
  if (auto invalid = rules::length("body", request.body, max_body)) return invalid;
  return request.expires_at ? rules::time("expires_at", *request.expires_at) : std::nullopt;
}

Uuid effect_key(Uuid const& request_key, std::string_view channel) {
  return name_uuid(request_key, channel);
}

std::string_view fit_bytes(std::string_view text, std::size_t most) {
  if (text.size() <= most) return text;
  while (most > 0 && (static_cast<unsigned char>(text[most]) & 0xc0U) == 0x80U) --most;
  return text.substr(0, most);
}

std::string fit_body(std::string_view text) {
  return std::string{fit_bytes(text, max_body)};
}

}  // namespace omnibus
