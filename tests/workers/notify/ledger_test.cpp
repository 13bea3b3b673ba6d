#include "workers/notify/ledger.hpp"

#include <doctest/doctest.h>

using namespace omnibus::notify;

namespace {

constexpr auto once = DeliveryPolicy::at_most_once;
constexpr auto twice = DeliveryPolicy::at_least_once;
constexpr Capabilities plain{false, false};
constexpr Capabilities by_key{true, false};
constexpr Capabilities asked{false, true};

Found found(std::string state, bool claimed = false) {
  return {std::move(state), 1, claimed, {}, false};
}

}  // namespace

TEST_CASE("what this process has claimed is sent, whatever the provider and the policy") {
  for (auto const& provider : {plain, by_key, asked})
    for (auto const policy : {once, twice})
      CHECK(next_step(found("planned", true), false, provider, policy) == Step::send);
}

TEST_CASE("what another process has claimed, or is planning, is waited for") {
  for (auto const* const state : {"", "planned", "claimed"})
    CHECK(next_step(found(state), false, by_key, twice) == Step::wait);
}

TEST_CASE("what another process may be sending still is waited for, whatever the provider and the policy") {
  auto sending = found("dispatching");
  sending.lease_left = std::chrono::milliseconds{1};
  for (auto const& provider : {plain, by_key, asked})
    for (auto const policy : {once, twice}) {
      CHECK(next_step(sending, false, provider, policy) == Step::wait);
      CHECK(next_step(sending, true, provider, policy) == Step::send);
    }
}

TEST_CASE("an answer that was left is taken before anything else is done") {
  auto answered = found("dispatching");
  answered.answered = true;
  answered.lease_left = std::chrono::milliseconds{1};
  for (auto const& provider : {plain, by_key, asked})
    for (auto const policy : {once, twice}) CHECK(next_step(answered, false, provider, policy) == Step::answer);
}

TEST_CASE("what has ended stays as it is, in doubt too") {
  for (auto const* const state : {"accepted", "delivered", "read", "failed", "skipped", "in_doubt"})
    for (auto const policy : {once, twice}) CHECK(next_step(found(state), false, by_key, policy) == Step::settled);
}

TEST_CASE("what was on its way is sent again only where that makes no two of it, or where the channel is set so") {
  CHECK(next_step(found("dispatching"), false, plain, once) == Step::doubt);
  CHECK(next_step(found("dispatching"), false, plain, twice) == Step::resend);
  CHECK(next_step(found("dispatching"), false, by_key, once) == Step::resend);
}

TEST_CASE("a provider that can be asked is asked before anything is sent again") {
  CHECK(next_step(found("dispatching"), false, asked, once) == Step::ask);
  CHECK(next_step(found("dispatching"), false, asked, twice) == Step::ask);
  CHECK(next_step(found("dispatching"), false, Capabilities{true, true}, once) == Step::resend);
}

TEST_CASE("what this process knows not to have left is sent") {
  CHECK(next_step(found("dispatching"), true, plain, once) == Step::send);
}
