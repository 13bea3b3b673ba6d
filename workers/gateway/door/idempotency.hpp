/// Requests that may be sent again.
#pragma once

#include "concurrency/task.hpp"
#include "uuid/uuid.hpp"
#include "workers/gateway/store.hpp"

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace omnibus::gateway {

/// The id of the event that a domain's Idempotency-Key stands for: the same on every gateway.
Uuid event_id_of(std::string_view domain, std::string_view idempotency_key);

/// Reads an Idempotency-Key: 1 to 255 visible ASCII characters. @throws Refusal naming the header.
std::string_view check_idempotency_key(std::string_view value);

/// SHA-256 over what the request asks for: the same key must come with the same.
Fingerprint fingerprint(std::initializer_list<std::string_view> parts);

/// Lets one of any number of equal requests, on any number of gateways, publish, and gives the others its outcome.
///
/// The claim is a row of `pipeline.idempotency_keys`. Its holder has `lease` to publish; when it failed it gives the
/// claim back, and when it died its claim runs out: the next one publishes the same event under the same id.
class Idempotency {
 public:
  Idempotency(Store& store, std::chrono::milliseconds lease, std::chrono::milliseconds wait)
      : store_(store), lease_(lease), wait_(wait) {}

  /// Publishes by `publish` unless that has been done under this key.
  /// @throws Refusal 422 when the key came with something else before, 409 when the conversation is closed, 503 when
  /// the claimant did not end in time; whatever `publish` throws, the claim then being free again.
  Task<> once(IdempotencyClaim claim, std::function<Task<>()> publish);

 private:
  Store& store_;
  std::chrono::milliseconds lease_;
  std::chrono::milliseconds wait_;
};

}  // namespace omnibus::gateway
