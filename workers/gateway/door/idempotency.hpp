/// Requests that a client may send again.
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

/// The event id for a domain's Idempotency-Key: the same on every gateway.
Uuid event_id_of(std::string_view domain, std::string_view idempotency_key);

/// Reads an Idempotency-Key: 1 to 255 visible ASCII characters. @throws Refusal naming the header.
std::string_view check_idempotency_key(std::string_view value);

/// SHA-256 of the request: a repeated key must come with an equal request.
Fingerprint fingerprint(std::initializer_list<std::string_view> parts);

/// Of equal requests, on any number of gateways, lets one publish and gives the others its outcome.
///
/// The claim is a row of `pipeline.idempotency_keys`. Its holder has `lease` to publish. If it fails, it gives the
/// claim back; if it crashes, the claim expires. The next holder publishes the same event with the same id.
class Idempotency {
 public:
  Idempotency(Store& store, std::chrono::milliseconds lease, std::chrono::milliseconds wait)
      : store_(store), lease_(lease), wait_(wait) {}

  /// Publishes with `publish`, unless that was done under this key.
  /// @throws Refusal 422 when the key was used with another request, 409 when the conversation is closed, 503 when
  /// the holder did not finish in time; what `publish` throws, after which the claim is free again.
  Task<> once(IdempotencyClaim claim, std::function<Task<>()> publish);

 private:
  Store& store_;
  std::chrono::milliseconds lease_;
  std::chrono::milliseconds wait_;
};

}  // namespace omnibus::gateway
