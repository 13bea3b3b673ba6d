/// Reading the JSON body of a request.
#pragma once

#include "http/message.hpp"
#include "json/decode.hpp"

#include <string_view>
#include <utility>

namespace omnibus::gateway {

/// @throws Refusal 415 when the body has another type than JSON; one without a type is taken for JSON.
void require_json(http::Request const& request);

/// @throws Refusal 400 for a document that is no JSON object, 422 naming a field of it.
[[noreturn]] void refuse_body(json::DecodeError const& error);

/// Reads a described struct from JSON text, ignoring unknown fields. @throws Refusal as refuse_body does
template <class Body>
Body read_json(std::string_view text) {
  auto body = json::decode<Body>(text, {.bytes = text.size()});
  if (!body) refuse_body(body.error());
  return *std::move(body);
}

/// The same, but an unknown field is refused as well: for a body that replaces a whole thing, where a misspelt field
/// would empty the real one.
template <class Body>
Body read_whole_json(std::string_view text) {
  auto body = json::decode_strictly<Body>(text, {.bytes = text.size()});
  if (!body) refuse_body(body.error());
  return *std::move(body);
}

}  // namespace omnibus::gateway
