/// Whom a message goes to, as providers want it written. Pure.
#pragma once

#include <optional>
#include <string_view>

namespace omnibus::notify {

/// The digits of an E.164 number, `+250788123456`, without its plus; nothing for anything else. A view into `text`.
std::optional<std::string_view> msisdn(std::string_view text);
/// Of the digits alone, as WhatsApp names people (`wa_id`), or of an E.164 number: the digits.
std::optional<std::string_view> wa_id(std::string_view text);

}  // namespace omnibus::notify
