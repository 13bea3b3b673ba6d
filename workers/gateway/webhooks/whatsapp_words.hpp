/// What a person said with a WhatsApp message of any kind. Pure.
#pragma once

#include "workers/gateway/webhooks/json_fields.hpp"

#include <string>
#include <string_view>

namespace omnibus::gateway {

/// The words of a message: a text, a caption, the title of a button or of a list's choice, a form's answers, a shared
/// contact, a place, an order, a reaction. Content without words says what it is: `[image]`, `[voice message]`. Never
/// empty.
/// @param message as Meta writes it, of the given type
std::string whatsapp_words(JsonFields const& message, std::string_view type);

/// The answers of a form ("flow"), a line each, `name: answer`, without the form's token.
/// @param response_json as Meta writes it; a text that is no JSON object is returned as it is.
std::string form_words(std::string_view response_json);

}  // namespace omnibus::gateway
