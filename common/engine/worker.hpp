/// Everything a worker binary is but its handler.
#pragma once

#include "config/config.hpp"
#include "engine/batch_handler.hpp"
#include "engine/engine.hpp"
#include "engine/handler.hpp"
#include "kafka/producer.hpp"
#include "postgres/pool.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>

#include <boost/asio/io_context.hpp>

namespace omnibus {

/// What a handler may stand on; outlives it.
struct Resources {
  boost::asio::io_context& loop;
  TransactionPool& pool;
  kafka::Producer& producer;
  /// A replay: no handler may make a client of anything that is paid for or reaches people.
  bool replay = false;
  Uuid run_id{};  ///< which replay; nil where it is none
  /// MAX_ATTEMPTS: the failed attempt after which the engine gives an event up.
  std::uint32_t max_attempts = engine::RecoverabilitySettings{}.max_attempts;
};

namespace engine {

/// Makes a worker's work once its resources exist. Called on the main thread, before any event.
using MakeWork = std::function<std::unique_ptr<Work>(Resources&)>;

/// Configures, connects, serves /livez, /readyz and /metrics, runs until SIGTERM or SIGINT and stops cleanly.
/// `settings` are the handler's own, already added.
/// @return the exit status.
int run_worker(config::Program const& program, config::Catalogue& settings, int argc, char** argv,
               MakeWork const& make_work);

/// Owns a handler together with the adapter that decodes for it.
template <class H>
class OwningWork : public Work {
 public:
  OwningWork(Resources& resources, typename H::Settings const& settings)
      : handler_{resources, settings}, adapter_{handler_} {}
  Task<> handle(Context& context) override { return adapter_.handle(context); }
  bool never_waits() const override { return adapter_.never_waits(); }
  void handle_now(Context& context) override { adapter_.handle_now(context); }
  BatchTraits batches() const override { return adapter_.batches(); }
  std::unique_ptr<BatchItems> new_items() override { return adapter_.new_items(); }

 private:
  using Adapter = std::conditional_t<BatchHandler<H>, BatchWork<H>, HandlerWork<H>>;

  H handler_;
  Adapter adapter_;
};

}  // namespace engine

/// The main function of a worker. `H` is a handler (see engine/handler.hpp) with
/// `static constexpr std::string_view name, summary`, `using Settings` (a described struct) and a constructor
/// `H(Resources&, Settings const&)`; or a batch handler (see engine/batch_handler.hpp) with the same. The topics are
/// those of topics.yaml that list `name` among their consumers.
template <class H>
int run_worker(int argc, char** argv) {
  typename H::Settings settings;
  config::Catalogue catalogue;
  catalogue.add(settings);
  auto const make = [&](Resources& resources) -> std::unique_ptr<engine::Work> {
    return std::make_unique<engine::OwningWork<H>>(resources, settings);
  };
  return engine::run_worker({H::name, H::summary}, catalogue, argc, argv, make);
}

}  // namespace omnibus
