/// `GET` and `POST /v1/reports/unsubscribe?domain=&user=&signature=`
#pragma once

#include "concurrency/task.hpp"
#include "http/message.hpp"
#include "http/router.hpp"
#include "uuid/uuid.hpp"
#include "workers/gateway/door/admission.hpp"
#include "workers/gateway/store.hpp"

#include <string>
#include <utility>

namespace omnibus::gateway {

/// Ends a person's reports by e-mail, with the signed address from such an e-mail and without a login: RFC 8058. A
/// mail program posts here when the person clicks once. Reading the address, as a browser or a scanner of mail does,
/// changes nothing: it shows a page with a button that posts.
class UnsubscribeRoute {
 public:
  /// @param secret UNSUBSCRIBE_SECRET, with which the report worker signs; empty: every request is refused.
  UnsubscribeRoute(Admission& admission, Store& store, std::string secret)
      : admission_(admission), store_(store), secret_(std::move(secret)) {}

  void add_to(http::Router& router);

  /// Both @throws Refusal 403 when the address is not signed by us, 429.
  Task<http::Response> post(http::Request const& request);
  Task<http::Response> get(http::Request const& request);

 private:
  /// Whom an address that we signed is of.
  struct Subscriber {
    std::string domain;
    Uuid user{};
  };
  Subscriber admit(http::Request const& request);

  Admission& admission_;
  Store& store_;
  std::string const secret_;
};

}  // namespace omnibus::gateway
