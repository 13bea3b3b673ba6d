#include "workers/gateway/routes/unsubscribe_route.hpp"

#include "messaging/unsubscribe.hpp"
#include "workers/gateway/door/refusal.hpp"

#include <string_view>

namespace omnibus::gateway {

Task<http::Response> UnsubscribeRoute::post(http::Request const& request) {
  std::string const domain{request.query_value("domain").value_or("")};
  auto const user = parse_uuid(request.query_value("user").value_or(""));
  auto const signature = request.query_value("signature").value_or("");
  if (!user || !messaging::is_unsubscribe_signature(secret_, domain, *user, signature))
    throw Refusal{403, "The address is not valid", "Use the complete address from the e-mail", "signature"};
  admission_.keep_rate(domain);
  auto ending = store_.unsubscribe_from_reports(domain, *user);
  co_await std::move(ending);
  co_return http::text_response(200, "You get no more reports by e-mail.\n");
}

}  // namespace omnibus::gateway
