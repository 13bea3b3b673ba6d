/// Opens sealed replies as they are read from the log.
#pragma once

#include "kafka/cloud_event.hpp"
#include "postgres/pool.hpp"
#include "sealing/sealer.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace omnibus::gateway {

/// The data of a sealed event, opened; nothing when it cannot be.
using OpenReply = std::function<std::optional<std::string>(EnvelopeView const& envelope, std::string_view data)>;

/// Opens with the sealer, and loads missing keys over a connection of its own. Blocks; use it on one thread at a time.
/// A reply that does not open is left out: that of an erased person, or one whose key cannot be had for some seconds.
/// It is stored with its conversation all the same.
class ReplyOpener {
 public:
  ReplyOpener(sealing::Sealer& sealer, PoolSettings database);
  ~ReplyOpener();

  std::optional<std::string> open(EnvelopeView const& envelope, std::string_view data);

 private:
  void load(sealing::KeysNeeded const& needed);

  sealing::Sealer& sealer_;
  PoolSettings const database_;
  std::unique_ptr<pqxx::connection> connection_;
};

/// An opener with a connection of its own. The sealer must outlive it.
OpenReply make_opener(sealing::Sealer& sealer, PoolSettings const& database);

}  // namespace omnibus::gateway
