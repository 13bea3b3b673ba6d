#include "workers/gdpr/handler.hpp"

#include "handler/fake_context.hpp"

#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

using namespace omnibus;
using namespace omnibus::gdpr;

namespace {

constexpr char const* shop = "shop.example";
constexpr char const* anna = "0123456789abcdef0123456789abcdef";

struct StoredRequest {
  GdprRequest request;
  std::string kind;
  std::string status;
  std::string error;
  std::optional<std::string> waits_for;
};

struct StoredRequests {
  std::map<Uuid, StoredRequest> rows;
  std::vector<GdprAuditRecorded> audit;
};

struct FakeRequests final : RequestStore {
  explicit FakeRequests(StoredRequests& kept) : stored{kept} {}
  void receive(UnitOfWork&, GdprRequest const& request, std::string_view kind) override {
    stored.rows.try_emplace(request.request_id, StoredRequest{request, std::string{kind}, "received", {}, {}});
  }
  Task<RequestState> look(Context&, GdprRequest const& request) override {
    auto const& row = stored.rows.at(request.request_id);
    co_return RequestState{row.status, row.waits_for};
  }
  void begin(UnitOfWork&, Uuid const& request) override { stored.rows.at(request).status = "running"; }
  void hold(UnitOfWork&, Uuid const& request, std::string const&) override { stored.rows.at(request).status = "held"; }
  void count(UnitOfWork&, Uuid const&, std::vector<GdprCount> const&) override {}
  void complete(UnitOfWork&, Uuid const& request, std::optional<std::int64_t>) override {
    stored.rows.at(request).status = "completed";
  }
  void fail(UnitOfWork&, Uuid const& request, std::string_view error_class) override {
    stored.rows.at(request).status = "failed";
    stored.rows.at(request).error = error_class;
  }
  std::vector<GdprDeletionRequested> release(UnitOfWork&) override {
    std::vector<GdprDeletionRequested> released;
    for (auto& [id, row] : stored.rows) {
      if (row.status != "held") continue;
      row.status = "received";
      released.push_back({row.request});
    }
    return released;
  }
  StoredRequests& stored;
};

struct FakeAuditLog final : AuditLog {
  explicit FakeAuditLog(StoredRequests& kept) : stored{kept} {}
  bool add(UnitOfWork&, GdprAuditRecorded const& entry) override {
    for (auto const& row : stored.audit)
      if (row.request_id == entry.request_id && row.action == entry.action) return false;
    stored.audit.push_back(entry);
    return true;
  }
  StoredRequests& stored;
};

struct GdprFixture {
  StoredRequests stored;
  FakeContext context{"gdpr", 2};
  GdprHandler handler{{std::make_unique<FakeRequests>(stored), std::make_unique<FakeAuditLog>(stored)}};
  GdprFixture() { context.keep_consistent(stored); }

  static GdprDeletionRequested deletion() { return {{random_uuid(), shop, anna, {}, {}, "subject_request", false}}; }
};

}  // namespace

TEST_CASE_FIXTURE(GdprFixture, "a deletion waits for another request of the person, and no attempt is counted") {
  auto const request = deletion();
  stored.rows[request.request_id] = {request, "delete", "received", {}, to_string(random_uuid())};
  CHECK(context.hand(handler, request) == FakeContext::Kind::deferred);
  stored.rows[request.request_id].waits_for.reset();
  CHECK(context.try_again() == FakeContext::Kind::handled);
  CHECK(stored.rows[request.request_id].status == "completed");
}

TEST_CASE_FIXTURE(GdprFixture, "a request that cannot be finished ends as failed, audited once") {
  auto const request = deletion();
  context.fail_next_commit(Failure::permanent("no", "implausible"));
  CHECK(context.hand(handler, request) == FakeContext::Kind::parked);
  CHECK(stored.rows[request.request_id].status == "failed");
  CHECK(stored.rows[request.request_id].error == "implausible");
  REQUIRE(!stored.audit.empty());
  CHECK(stored.audit.back().action == "erasure.failed");
  CHECK(context.redrive() == FakeContext::Kind::handled);
  CHECK(stored.rows[request.request_id].status == "completed");
}

TEST_CASE_FIXTURE(GdprFixture, "a request that two events ask for is done once") {
  auto const request = deletion();
  CHECK(context.hand(handler, request) == FakeContext::Kind::handled);
  auto const published = context.published<GdprAuditRecorded>().size();
  CHECK(context.hand(handler, request) == FakeContext::Kind::handled);
  CHECK(context.published<GdprAuditRecorded>().size() == published);
}

TEST_CASE_FIXTURE(GdprFixture, "a held deletion is asked for again when its hold has ended") {
  auto const request = deletion();
  stored.rows[request.request_id] = {request, "delete", "held", {}, {}};
  CHECK(context.hand(handler, TickMonitor{{"2026-11-29T14:00:00Z", 0}}) == FakeContext::Kind::handled);
  auto const asked = context.published<GdprDeletionRequested>();
  REQUIRE(asked.size() == 1);
  CHECK(asked[0].request_id == request.request_id);
}

TEST_CASE_FIXTURE(GdprFixture, "a replay does nothing") {
  context.replay();
  CHECK(context.hand(handler, deletion()) == FakeContext::Kind::handled);
  CHECK(context.passed_over() != "");
  CHECK(stored.rows.empty());
}

TEST_CASE("a worker without the secret of subject keys does not start, and says which setting is missing") {
  CHECK_THROWS_WITH(check_settings({}), "set PROFILE_KEY_SECRET, at least 16 bytes, to that of the gateway");
  CHECK_THROWS(check_settings({Secret{"short"}, {}}));
  CHECK_THROWS(check_settings({Secret{"0123456789abcdef"}, Secret{"short"}}));
  CHECK_NOTHROW(check_settings({Secret{"0123456789abcdef"}, {}}));
}
