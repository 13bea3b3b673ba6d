/// The keys that persons' texts are sealed with, and what can be wrong with them.
#pragma once

#include "hash/aes_gcm.hpp"
#include "subjects/subjects.hpp"
#include "uuid/uuid.hpp"

#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace omnibus::sealing {

/// A person's key, unwrapped.
struct SubjectCipher {
  Uuid key_id;
  SubjectKey subject;
  std::string domain;
  AesKey key{};
};
using SharedCipher = std::shared_ptr<SubjectCipher const>;

/// Thrown when an event cannot be opened before these keys were loaded with Sealer::load().
struct KeysNeeded : std::exception {
  explicit KeysNeeded(std::vector<Uuid> needed) : ids{std::move(needed)} {}
  char const* what() const noexcept override { return "keys of persons must be loaded"; }
  std::vector<Uuid> ids;
};

/// Thrown for an event that nobody can open any more: its person was erased.
struct KeyDestroyed : std::exception {
  char const* what() const noexcept override { return "the key was destroyed when its person was erased"; }
};

/// Thrown when a key is missing that is not known to be destroyed, or when its master key is missing. An outage of the
/// events that need it: try again later. The text names the key or the setting.
struct KeyUnavailable : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Thrown for an event with a sealed field that its key does not open. The text names the field.
struct SealBroken : std::runtime_error {
  using std::runtime_error::runtime_error;
};

}  // namespace omnibus::sealing
