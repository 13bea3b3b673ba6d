/// The senders of tenants: numbers, names and ids from which their messages go out, and to which answers come.
#pragma once

#include "uuid/uuid.hpp"

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <boost/describe/class.hpp>

namespace omnibus::senders {

/// A tenant's sender on one channel. It names its secrets and does not hold them.
struct Sender {
  Uuid id{};
  std::string domain;
  std::string channel;   ///< sms or whatsapp
  std::string provider;  ///< twilio_sms, mtn_sms or whatsapp_cloud
  std::string account;   ///< the provider's id of the account; may be empty
  std::string sender;    ///< a number in E.164, a short code, a name, or the provider's id of a number or service
  std::vector<std::string> secrets{};  ///< `role=name`: the name of the secret for each role

  /// The name of the secret for a role, such as auth_token; empty if it has none.
  std::string_view secret(std::string_view role) const;

  friend bool operator==(Sender const&, Sender const&) = default;
};
BOOST_DESCRIBE_STRUCT(Sender, (), (id, domain, channel, provider, account, sender, secrets))

/// All senders at one time. Does not change; any thread may read it.
class SenderList {
 public:
  explicit SenderList(std::vector<Sender> senders = {});
  SenderList(SenderList const&) = delete;

  std::vector<Sender> const& all() const { return senders_; }
  bool empty() const { return senders_.empty(); }
  /// The tenant's own sender on the channel; null if it has none.
  Sender const* of_tenant(std::string_view domain, std::string_view channel) const;
  /// The sender to which a message came; null if it is no tenant's. A number counts with and without its plus.
  Sender const* of_number(std::string_view channel, std::string_view number) const;

 private:
  std::vector<Sender> senders_;
  std::unordered_map<std::string, Sender const*> by_tenant_, by_number_;
};
using SharedSenders = std::shared_ptr<SenderList const>;

}  // namespace omnibus::senders
