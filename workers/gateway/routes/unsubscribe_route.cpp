#include "workers/gateway/routes/unsubscribe_route.hpp"

#include "messaging/unsubscribe.hpp"
#include "workers/gateway/door/guard.hpp"
#include "workers/gateway/door/refusal.hpp"

#include <string_view>

namespace omnibus::gateway {

namespace {

constexpr std::string_view question = R"(<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Reports by e-mail</title></head>
<body>
<h1>Reports by e-mail</h1>
<p>You get a report by e-mail on days with news.</p>
<form method="post"><button>Send me no more reports</button></form>
</body>
</html>
)";

}  // namespace

UnsubscribeRoute::Subscriber UnsubscribeRoute::admit(http::Request const& request) {
  std::string domain{request.query_value("domain").value_or("")};
  auto const user = parse_uuid(request.query_value("user").value_or(""));
  auto const signature = request.query_value("signature").value_or("");
  if (!user || !messaging::is_unsubscribe_signature(secret_, domain, *user, signature))
    throw Refusal{403, "The address is not valid", "Use the complete address from the e-mail", "signature"};
  admission_.keep_rate(domain);
  return {std::move(domain), *user};
}

Task<http::Response> UnsubscribeRoute::post(http::Request const& request) {
  auto const subscriber = admit(request);
  auto ending = store_.unsubscribe_from_reports(subscriber.domain, subscriber.user);
  co_await std::move(ending);
  co_return http::text_response(200, "You get no more reports by e-mail.\n");
}

Task<http::Response> UnsubscribeRoute::get(http::Request const& request) {
  admit(request);
  auto page = http::text_response(200, std::string(question), "text/html; charset=utf-8");
  page.headers.set("Content-Security-Policy", "default-src 'none'; form-action 'self'; frame-ancestors 'none'");
  page.headers.set("Referrer-Policy", "no-referrer");  // the address is a secret
  page.headers.set("Cache-Control", "no-store");
  co_return page;
}

void UnsubscribeRoute::add_to(http::Router& router) {
  constexpr auto path = messaging::unsubscribe_path;
  router.post(path, guarded(path, [this](http::Request const& request) { return post(request); }));
  router.get(path, guarded(path, [this](http::Request const& request) { return get(request); }));
}

}  // namespace omnibus::gateway
