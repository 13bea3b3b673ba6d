/// Calls and their people in memory.
#pragma once

#include "handler/failure.hpp"
#include "workers/call/store.hpp"

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

namespace omnibus::call::test {

/// What is stored. A plain value, so that a FakeContext can put it back when a commit fails.
struct Calls {
  struct Person {
    Uuid profile_id = random_uuid();
    std::optional<sessions::Session> session;
    std::optional<std::string> told;  ///< the summary in the session's context
  };
  std::map<std::string, Person> people;              ///< by phone number
  std::map<std::string, std::string> summaries;      ///< by call id, as in call_summaries
  std::map<Uuid, NotificationRequested> deliveries;  ///< by the request's key: what the person gets
  std::set<std::string> tenants{"shop.example"};
};

/// A store over them. What is listed under `refuses` is refused as a database refuses what it cannot hold.
class FakeCalls final : public CallStore {
 public:
  /// What the test changes while the handler runs.
  struct Script {
    std::set<std::string> refuses;  ///< bodies of notifications
  };

  FakeCalls(Calls& stored, Script const& script) : stored_{stored}, script_{script} {}

  Task<std::optional<std::string>> find_summary(Context&, CallTerminated const& call) override {
    auto const found = stored_.summaries.find(call.call_id);
    co_return found == stored_.summaries.end() ? std::nullopt : std::optional{found->second};
  }
  sessions::Session open_follow_up(UnitOfWork&, CallTerminated const& call, std::string_view,
                                   std::optional<std::string> const& told) override {
    if (!stored_.tenants.contains(call.domain)) throw Failure::permanent("domain is no tenant", "unknown_tenant");
    auto& person = stored_.people[call.phone_number];
    if (!person.session) person.session.emplace().id = random_uuid();
    person.session->profile_id = person.profile_id;
    person.session->status = "follow_up";
    person.session->call_id = call.call_id;
    person.told = told;
    return *person.session;
  }
  void request_notification(UnitOfWork& unit, NotificationRequested const& request) override {
    if (script_.refuses.contains(request.body)) throw Failure::permanent("the database refused the change", "database");
    unit.publish(request, to_string(request.profile_id));
    stored_.deliveries.emplace(unit.last_key(), request);
  }

 private:
  Calls& stored_;
  Script const& script_;
};

}  // namespace omnibus::call::test
