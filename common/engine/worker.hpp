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
};

namespace engine {

inline constexpr std::int32_t default_in_flight = 256;

/// Makes a worker's work once its resources exist. Called on the main thread, before any event.
using MakeWork = std::function<std::unique_ptr<Work>(Resources&)>;

/// Configures, connects, serves /livez, /readyz and /metrics, runs until SIGTERM or SIGINT and stops cleanly.
/// `settings` are the handler's own, already added; `max_in_flight` is the default of that setting.
/// @return the exit status.
int run_worker(config::Program const& program, config::Catalogue& settings, int argc, char** argv,
               std::int32_t max_in_flight, MakeWork const& make_work);

/// Owns a handler together with the adapter that decodes for it.
template <class H>
class OwningWork : public Work {
 public:
  OwningWork(Resources& resources, typename H::Settings const& settings)
      : handler_{resources, settings}, adapter_{make_adapter(resources)} {}
  Task<> handle(Context& context) override { return adapter_.handle(context); }
  bool ordered_by_key() const override { return adapter_.ordered_by_key(); }

 private:
  using Adapter = std::conditional_t<BatchHandler<H>, BatchWork<H>, HandlerWork<H>>;
  Adapter make_adapter(Resources& resources) {
    if constexpr (BatchHandler<H>)
      return Adapter{resources.loop, handler_};
    else
      return Adapter{handler_};
  }

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
  auto max_in_flight = engine::default_in_flight;
  if constexpr (engine::BatchHandler<H>) max_in_flight = static_cast<std::int32_t>(2 * H::max_batch);
  return engine::run_worker({H::name, H::summary}, catalogue, argc, argv, max_in_flight, make);
}

}  // namespace omnibus
