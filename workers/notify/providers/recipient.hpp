/// A message's recipient, in the form that providers need. Pure.
#pragma once

#include <optional>
#include <string_view>

namespace omnibus::notify {

/// The digits of an E.164 number, `+250788123456`, without its plus; nothing for any other text. A view into `text`.
std::optional<std::string_view> msisdn(std::string_view text);
/// The digits of a WhatsApp `wa_id` (digits only) or of an E.164 number.
std::optional<std::string_view> wa_id(std::string_view text);

}  // namespace omnibus::notify
