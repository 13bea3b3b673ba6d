#include "subjects/subjects.hpp"

#include "hash/hash.hpp"

#include <algorithm>
#include <span>

namespace omnibus {
namespace {

std::optional<std::uint8_t> hex_digit(char c) {
  if (c >= '0' && c <= '9') return static_cast<std::uint8_t>(c - '0');
  if (c >= 'a' && c <= 'f') return static_cast<std::uint8_t>(c - 'a' + 10);
  return std::nullopt;
}

SubjectKey keyed_hash(std::string_view secret, std::string_view domain, std::string_view kind, std::string_view name) {
  auto const hash = hmac_sha256(secret, std::string(domain).append("\n").append(kind).append(name));
  SubjectKey key;
  std::copy_n(hash.begin(), key.bytes.size(), key.bytes.begin());
  return key;
}

void add(Subjects& subjects, SubjectKey const& key) {
  if (std::ranges::find(subjects, key) == subjects.end()) subjects.push_back(key);
}

}  // namespace

std::string SubjectKey::text() const {
  return to_hex(bytes);
}

std::optional<SubjectKey> parse_subject_key(std::string_view text) {
  SubjectKey key;
  if (text.size() != 2 * key.bytes.size()) return std::nullopt;
  for (std::size_t i = 0; i < key.bytes.size(); ++i) {
    auto const high = hex_digit(text[2 * i]);
    auto const low = hex_digit(text[2 * i + 1]);
    if (!high || !low) return std::nullopt;
    key.bytes[i] = static_cast<std::uint8_t>(*high << 4 | *low);
  }
  return key;
}

SubjectKey sender_key(std::string_view secret, std::string_view domain, std::string_view sender) {
  return keyed_hash(secret, domain, "", sender);
}

SubjectKey session_key(std::string_view secret, std::string_view domain, std::string_view session_id) {
  return keyed_hash(secret, domain, "session:", session_id);
}

SubjectKey user_key(std::string_view secret, std::string_view domain, Uuid const& user_id) {
  return keyed_hash(secret, domain, "user:", to_string(user_id));
}

Subjects aliases(std::initializer_list<std::optional<Uuid>> ids) {
  Subjects subjects;
  for (auto const& id : ids)
    if (id) add(subjects, alias(*id));
  return subjects;
}

Subjects subjects_of_key(std::string_view record_key) {
  Subjects subjects;
  if (auto const key = parse_subject_key(record_key)) {
    subjects.push_back(*key);
    return subjects;
  }
  auto const colon = std::min(record_key.find(':'), record_key.size());
  auto const first = parse_uuid(record_key.substr(0, colon));
  if (!first) return subjects;
  subjects.push_back(alias(*first));
  if (colon == record_key.size()) return subjects;
  auto const second = parse_uuid(record_key.substr(colon + 1));
  if (!second) return {};
  add(subjects, alias(*second));
  return subjects;
}

}  // namespace omnibus
