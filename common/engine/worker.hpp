/// The main program of a worker, for any handler.
#pragma once

#include "config/config.hpp"
#include "engine/batch_work.hpp"
#include "engine/handler_work.hpp"
#include "engine/work.hpp"
#include "handler/resources.hpp"

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>

namespace omnibus {

namespace engine {

/// Creates a worker's work for one event loop once its resources exist. Called on the main thread, before any event,
/// once for each of the process's loops (LOOPS).
using MakeWork = std::function<std::unique_ptr<Work>(Resources&)>;

/// Configures, connects, serves /livez, /readyz and /metrics, runs until SIGTERM or SIGINT and stops cleanly.
/// `settings` already contain the handler's settings.
/// @return the exit status.
int run_worker(config::Program const& program, config::Catalogue& settings, int argc, char** argv,
               MakeWork const& make_work);

/// Owns a handler together with the adapter that decodes for it.
template <class H>
class OwningWork : public Work {
 public:
  OwningWork(Resources& resources, typename H::Settings const& settings)
      : handler_{resources, settings}, adapter_{handler_} {
    if constexpr (requires { settings.longest_call(); }) longest_call_ = settings.longest_call();
  }
  Task<> handle(Context& context) override { return adapter_.handle(context); }
  bool never_waits() const override { return adapter_.never_waits(); }
  void handle_now(Context& context) override { adapter_.handle_now(context); }
  std::function<void(UnitOfWork&)> giving_up(Context& context, Failure const& failure) override {
    return adapter_.giving_up(context, failure);
  }
  std::chrono::milliseconds longest_call() const override { return longest_call_; }
  BatchTraits batches() const override { return adapter_.batches(); }
  std::unique_ptr<BatchItems> new_items() override { return adapter_.new_items(); }

 private:
  using Adapter = std::conditional_t<BatchHandler<H>, BatchWork<H>, HandlerWork<H>>;

  H handler_;
  Adapter adapter_;
  std::chrono::milliseconds longest_call_{0};
};

}  // namespace engine

/// The main function of a worker: a handler and an engine for each event loop (LOOPS). `H` is a handler (see
/// handler/handler.hpp) with `static constexpr std::string_view name, summary`, `using Settings` (a described struct)
/// and a constructor `H(Resources&, Settings const&)`; settings with `longest_call()` set Work::longest_call(). Or a
/// batch handler (see handler/batch_handler.hpp) with the same. The topics are those of topics.yaml that list `name`
/// among their consumers.
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
