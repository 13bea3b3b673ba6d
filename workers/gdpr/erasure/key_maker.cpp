#include "workers/gdpr/erasure/key_maker.hpp"

#include <utility>

namespace omnibus::gdpr {
namespace {

/// "omnibus", "inbnd": as the gateway names what providers report.
constexpr Uuid receipt_space{
    {0x6f, 0x6d, 0x6e, 0x69, 0x62, 0x75, 0x50, 0x00, 0x80, 0x00, 0x69, 0x6e, 0x62, 0x6e, 0x64, 0x00}};

}  // namespace

KeyMaker::KeyMaker(std::string secret, std::string previous) {
  secrets_.push_back(std::move(secret));
  if (!previous.empty()) secrets_.push_back(std::move(previous));
}

std::vector<std::string> KeyMaker::sender(std::string_view domain, std::string_view sender) const {
  std::vector<std::string> keys;
  for (auto const& secret : secrets_) keys.push_back(sender_key(secret, domain, sender).text());
  return keys;
}

std::vector<std::string> KeyMaker::session(std::string_view domain, std::string_view session_id) const {
  std::vector<std::string> keys;
  for (auto const& secret : secrets_) keys.push_back(session_key(secret, domain, session_id).text());
  return keys;
}

std::vector<std::string> KeyMaker::user(std::string_view domain, Uuid const& user) const {
  std::vector<std::string> keys;
  for (auto const& secret : secrets_) keys.push_back(user_key(secret, domain, user).text());
  return keys;
}

std::string alias_text(Uuid const& id) {
  return alias(id).text();
}

std::string receipt_alias(std::string_view provider, std::string_view message_id) {
  std::string name;
  for (auto const part : {std::string_view{"receipts of"}, provider, message_id})
    name.append(std::to_string(part.size())).append(":").append(part);
  return alias_text(name_uuid(receipt_space, name));
}

}  // namespace omnibus::gdpr
