/// The access token of MTN's API.
#pragma once

#include "concurrency/signal.hpp"
#include "concurrency/task.hpp"
#include "http/client.hpp"
#include "workers/notify/providers/provider.hpp"

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace omnibus::notify {

/// Gets a token by OAuth2's client credentials, keeps it until shortly before it expires, and asks for one at a time
/// for any number of waiting messages. They share a failure, too. Use it on one event loop; time is passed in.
class MtnToken {
 public:
  using Clock = std::chrono::steady_clock;

  /// The client must outlive it. @throws std::invalid_argument naming the invalid setting
  MtnToken(http::Client& client, std::string const& base_url, std::string key, std::string secret,
           std::chrono::milliseconds deadline, std::function<Clock::time_point()> now = &Clock::now);

  /// Either a token, or why there is none: transient and of the provider. No part of a message was sent by then.
  struct Result {
    std::string token;
    std::optional<Refused> refused;
  };
  Task<Result> get();
  /// The API refused this token: the next caller gets another.
  void reject(std::string const& token);

 private:
  Task<std::optional<Refused>> fetch();

  http::Client& client_;
  http::Url url_;
  std::string form_;
  std::chrono::milliseconds deadline_;
  std::function<Clock::time_point()> now_;
  std::string token_;
  Clock::time_point good_until_{};
  std::optional<Refused> failure_;  ///< of the last completed fetch
  std::unique_ptr<Signal> fetching_;
};

/// A token and its lifetime, from the response of the token endpoint; nothing for an invalid response.
struct TokenAnswer {
  std::string token;
  std::chrono::seconds lifetime;
};
std::optional<TokenAnswer> read_token_answer(http::Response const& answer);

}  // namespace omnibus::notify
