#include "workers/gateway/routes/json_body.hpp"

#include "workers/gateway/door/refusal.hpp"

namespace omnibus::gateway {

void require_json(http::Request const& request) {
  auto const type = request.content_type();
  if (!type.empty() && type != "application/json" && !type.ends_with("+json"))
    throw Refusal(415, "The body must be JSON", "Send Content-Type: application/json", "Content-Type");
}

void refuse_body(json::DecodeError const& error) {
  throw Refusal(error.field.empty() ? 400 : 422, "The request is not valid", error.message(), error.field);
}

}  // namespace omnibus::gateway
