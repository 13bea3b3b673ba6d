/// The settings of the report worker.
#pragma once

#include "config/config.hpp"
#include "config/types.hpp"

#include <array>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include <boost/describe/class.hpp>

namespace omnibus::report {

struct ReportSettings {
  std::int32_t report_hour = 7;
  Secret smtp_url;
  std::string smtp_from;
  std::chrono::milliseconds smtp_deadline{60'000};
  std::chrono::milliseconds smtp_give_up_after{14'400'000};
  std::int32_t smtp_connections = 4;
  std::string public_url;
  Secret unsubscribe_secret;

  static constexpr std::string_view prefix = "";
  static constexpr std::array docs{
      config::Doc{"report_hour", "From this hour of a person's own time on, the day's report is due", 0, 23},
      config::Doc{"smtp_url",
                  "Server that sends reports: smtp://[USER:PASSWORD@]HOST[:PORT] or smtps://; empty: reports are not "
                  "sent by e-mail"},
      config::Doc{"smtp_from", "The sender's e-mail address"},
      config::Doc{"smtp_deadline", "Longest time for sending one message", 1, 600},
      config::Doc{"smtp_give_up_after", "A report that the server did not take is tried again for this long", 0, 86400},
      config::Doc{"smtp_connections", "Messages sent at the same time", 1, 64},
      config::Doc{"public_url",
                  "Where people reach the gateway, such as https://omnibus.example; together with UNSUBSCRIBE_SECRET, "
                  "e-mail can be unsubscribed with one click"},
      config::Doc{"unsubscribe_secret", "Signs the addresses for unsubscribing; the gateway has the same"},
  };
};
BOOST_DESCRIBE_STRUCT(ReportSettings, (),
                      (report_hour, smtp_url, smtp_from, smtp_deadline, smtp_give_up_after, smtp_connections,
                       public_url, unsubscribe_secret))

}  // namespace omnibus::report
