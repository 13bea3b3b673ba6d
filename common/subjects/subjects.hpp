/// Whom an event is about: subject keys, by which an erased person's records are recognised.
#pragma once

#include "uuid/uuid.hpp"

#include <array>
#include <compare>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#include <boost/container/small_vector.hpp>

namespace omnibus {

/// A person, by 16 bytes that do not reveal who it is: a keyed hash of a number, a WhatsApp id, a session or a user id;
/// or an alias, the UUID of something that belongs to one person, such as a conversation or a profile. One person has
/// several. Any thread may use it.
struct SubjectKey {
  std::array<std::uint8_t, 16> bytes{};

  /// 32 lower-case hex digits, as in record keys and in the database.
  std::string text() const;

  auto operator<=>(SubjectKey const&) const = default;
};

/// The alias that a UUID is.
inline SubjectKey alias(Uuid const& id) {
  return {id.bytes};
}

/// Reads 32 lower-case hex digits; nothing from any other text.
std::optional<SubjectKey> parse_subject_key(std::string_view text);

/// The key of who writes or calls; also the record's key on the topics that people's messages and calls arrive on.
/// @param secret PROFILE_KEY_SECRET; @param sender a number in E.164, or a WhatsApp user id
SubjectKey sender_key(std::string_view secret, std::string_view domain, std::string_view sender);

/// The key of a chat visitor.
SubjectKey session_key(std::string_view secret, std::string_view domain, std::string_view session_id);

/// The key of a person who may be matched with others.
SubjectKey user_key(std::string_view secret, std::string_view domain, Uuid const& user_id);

/// Everybody an event is about, each key once.
using Subjects = boost::container::small_vector<SubjectKey, 4>;

/// The aliases that these ids are; absent ones are left out.
Subjects aliases(std::initializer_list<std::optional<Uuid>> ids);

/// Whom a record's key stands for: a subject key, a UUID, or two UUIDs with a colon in between. Nobody for any other.
Subjects subjects_of_key(std::string_view record_key);

/// Whether an event type says whom it is about: `Subjects subjects_of(Event const&, std::string_view record_key)`
/// beside the struct. The engine then refuses the event once that person was erased. A test compares this with
/// `pii` in topics.yaml.
template <class Event>
concept NamesSubjects = requires(Event const& event, std::string_view record_key) {
  { subjects_of(event, record_key) } -> std::same_as<Subjects>;
};

}  // namespace omnibus

template <>
struct std::hash<omnibus::SubjectKey> {
  std::size_t operator()(omnibus::SubjectKey const& key) const noexcept {
    return std::hash<omnibus::Uuid>{}(omnibus::Uuid{key.bytes});
  }
};
