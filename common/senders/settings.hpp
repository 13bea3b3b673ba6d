/// Settings of a program that uses the tenants' senders.
#pragma once

#include "config/config.hpp"

#include <array>
#include <chrono>
#include <string>
#include <string_view>

#include <boost/describe/class.hpp>

namespace omnibus::senders {

struct SenderSettings {
  std::string sender_secrets;
  std::chrono::milliseconds sender_refresh{10'000};

  static constexpr std::string_view prefix = "";
  static constexpr std::array docs{
      config::Doc{"sender_secrets",
                  "Folder with the secrets of the tenants' senders, each a file with the name that omnibus tenant "
                  "sender add was given"},
      config::Doc{"sender_refresh", "How long a change of a tenant's sender or of its secret may take to count", 0.1,
                  3600},
  };
};
BOOST_DESCRIBE_STRUCT(SenderSettings, (), (sender_secrets, sender_refresh))

}  // namespace omnibus::senders
