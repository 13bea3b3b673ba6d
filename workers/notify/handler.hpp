/// Sends messages to people, and handles the providers' receipts.
#pragma once

#include "events/inbound.hpp"
#include "events/notification.hpp"
#include "handler/handler.hpp"
#include "workers/notify/config.hpp"
#include "workers/notify/deliverer.hpp"
#include "workers/notify/providers/providers.hpp"
#include "workers/notify/store.hpp"

#include <cstdint>
#include <exception>
#include <memory>
#include <string_view>
#include <vector>

namespace omnibus::notify {

class RequestTurns;

/// One delivery per channel of a request, all at once and independent of each other. An event is
/// handled when each of its deliveries has ended; a delivery that has ended is not repeated in a later attempt. A
/// replay sends nothing.
class NotifyHandler {
 public:
  static constexpr std::string_view name = "notify";
  static constexpr std::string_view summary =
      "Sends SMS and WhatsApp messages, each at most once unless set otherwise.";
  /// One channel's messages, if it is slow, do not keep another's or receipts from being handled.
  static constexpr std::string_view route_member = "channels";
  using Settings = NotifySettings;
  using Events = EventList<NotificationRequested, DeliveryReceiptReceived>;

  /// @throws std::invalid_argument naming the invalid setting.
  NotifyHandler(Resources& resources, NotifySettings const& settings);
  /// @param providers null in a replay.
  NotifyHandler(NotifySettings const& settings, std::unique_ptr<DeliveryStore> store,
                std::unique_ptr<Providers> providers);

  Task<> handle(Context& context, NotificationRequested const& request);
  Task<> handle(Context& context, DeliveryReceiptReceived const& receipt);
  /// Ends the request's messages that were not sent.
  void gave_up(Context& context, NotificationRequested const& request, Failure const& failure, UnitOfWork& unit);

 private:
  Order make_order(Context& context, NotificationRequested const& request, std::string const& channel) const;
  /// @param failed the exception of one of them, which then has no outcome
  Task<std::vector<Outcome>> deliver_all(std::vector<Order> const& orders, std::uint32_t tries, RequestTurns& turns,
                                         std::exception_ptr& failed);
  Task<> write_down(Context& context, std::vector<Order> const& orders, std::vector<Outcome> const& outcomes,
                    bool last);

  NotifySettings const settings_;
  std::unique_ptr<DeliveryStore> store_;
  std::unique_ptr<Providers> providers_;  // null in a replay
  Deliverer deliverer_;
};

}  // namespace omnibus::notify
