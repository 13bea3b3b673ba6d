/// The gdpr worker's stores in memory.
#pragma once

#include "handler/fake_context.hpp"
#include "workers/gdpr/handler.hpp"

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace omnibus::gdpr::test {

struct StoredRequest {
  GdprRequest request;
  std::string kind;
  std::string status;
  std::string error;
  std::optional<std::string> waits_for;
  std::optional<std::int64_t> log_clear_ms;
  std::map<std::string, std::int64_t> counts;
};

/// Everything that the stores hold.
struct StoredGdpr {
  std::map<Uuid, StoredRequest> requests;
  std::vector<GdprAuditRecorded> audit;
  std::optional<std::string> held_until;
  std::int64_t messages = 0;  ///< rows of the person
  bool begun = false;         ///< events about the person wait
  std::optional<std::string> positions;
  std::vector<std::int64_t> outbox;
  bool being_published = false;
  std::int64_t open_letters = 0;
  int archives = 0;
  std::optional<Uuid> uncleared;  ///< a deletion past its log_clear_at
  std::string starts;             ///< of the topics, when it was confirmed

  std::vector<std::string> actions() const {
    std::vector<std::string> all;
    for (auto const& row : audit) all.push_back(row.action);
    return all;
  }
};

struct FakeRequests final : RequestStore {
  explicit FakeRequests(StoredGdpr& kept) : stored{kept} {}
  bool receive(UnitOfWork&, GdprRequest const& request, std::string_view kind) override {
    if (request.domain != "shop.example") return false;
    stored.requests.try_emplace(request.request_id,
                                StoredRequest{request, std::string{kind}, "received", {}, {}, {}, {}});
    return true;
  }
  Task<RequestState> look(Context&, GdprRequest const& request) override {
    auto const& row = stored.requests.at(request.request_id);
    co_return RequestState{row.status, row.waits_for};
  }
  void begin(UnitOfWork&, Uuid const& request) override { stored.requests.at(request).status = "running"; }
  void hold(UnitOfWork&, Uuid const& request, std::string const&, std::set<std::string> const&) override {
    stored.requests.at(request).status = "held";
  }
  void count(UnitOfWork&, Uuid const& request, std::vector<GdprCount> const& counts) override {
    for (auto const& each : counts) stored.requests.at(request).counts[each.name] += each.count;
  }
  void complete(UnitOfWork&, Uuid const& request, std::optional<std::int64_t> log_clear_ms) override {
    stored.requests.at(request).status = "completed";
    stored.requests.at(request).log_clear_ms = log_clear_ms;
  }
  void fail(UnitOfWork&, Uuid const& request, std::string_view error_class) override {
    stored.requests.at(request).status = "failed";
    stored.requests.at(request).error = error_class;
  }
  Task<bool> awaits_clear_log(Context&) override { co_return stored.uncleared.has_value(); }
  std::vector<ClearedRequest> confirm_clear(UnitOfWork&, std::string const& starts) override {
    stored.starts = starts;
    return {{*std::exchange(stored.uncleared, std::nullopt), "shop.example", std::string(32, 'a')}};
  }
  std::vector<GdprDeletionRequested> release(UnitOfWork&) override {
    std::vector<GdprDeletionRequested> released;
    for (auto& [id, row] : stored.requests) {
      if (row.status != "held" || stored.held_until) continue;
      row.status = "received";
      released.push_back({row.request});
    }
    return released;
  }
  StoredGdpr& stored;
};

struct FakeAuditLog final : AuditLog {
  explicit FakeAuditLog(StoredGdpr& kept) : stored{kept} {}
  bool add(UnitOfWork&, GdprAuditRecorded const& entry) override {
    for (auto const& row : stored.audit)
      if (row.request_id == entry.request_id && row.action == entry.action) return false;
    stored.audit.push_back(entry);
    return true;
  }
  StoredGdpr& stored;
};

struct FakeErasure final : ErasureStore {
  explicit FakeErasure(StoredGdpr& kept) : stored{kept} {}
  std::int64_t fill_keys(UnitOfWork&, std::string const&) override { return 0; }
  Task<ErasedPerson> find(Context&, std::string, Keys keys) override {
    ErasedPerson person;
    person.keys = std::move(keys);
    if (stored.messages > 0) person.found.push_back({"conversations", 1});
    co_return person;
  }
  std::optional<std::string> hold_until(UnitOfWork&, std::string const&, Keys const&) override {
    return stored.held_until;
  }
  void begin(UnitOfWork&, Uuid const&, std::string const&, Keys const&, Keys const&) override { stored.begun = true; }
  Task<Keys> begun(Context&, Uuid) override { co_return Keys{}; }
  std::int64_t begin_messages(UnitOfWork&, Uuid const&, std::string const&, Keys const&) override { return 0; }
  void suppress(UnitOfWork&, std::string const&, std::vector<OptOut> const&) override {}
  std::vector<std::string> steps() const override { return {"messages"}; }
  std::int64_t erase(UnitOfWork&, std::string const&, std::string const&, Keys const&) override {
    auto const batch = std::min(stored.messages, erasure_batch);
    stored.messages -= batch;
    return batch;
  }
  std::int64_t remove_archives(UnitOfWork&, std::string const&, Keys const&, std::int64_t) override {
    return std::exchange(stored.archives, 0);
  }
  Task<std::vector<std::string>> telemetry_days(Context&) override { co_return std::vector<std::string>{"2026-11-29"}; }
  std::int64_t detach_telemetry(UnitOfWork&, std::string const&, Keys const&) override { return 0; }
  Task<PersonOutbox> find_outbox(Context&, Keys) override {
    co_return PersonOutbox{stored.outbox, stored.being_published};
  }
  void remove_outbox(UnitOfWork&, std::vector<std::int64_t> const&) override { stored.outbox.clear(); }
  std::int64_t drop_letters(UnitOfWork&, std::vector<PersonLetter> const& letters) override {
    auto const dropped = std::min(stored.open_letters, static_cast<std::int64_t>(letters.size()));
    stored.open_letters -= dropped;
    return dropped;
  }
  void set_positions(UnitOfWork&, Uuid const&, std::string const& positions) override { stored.positions = positions; }
  Task<bool> log_is_clear(Context&, std::string) override { co_return true; }
  StoredGdpr& stored;
};

struct FakeTopicLog final : TopicLog {
  explicit FakeTopicLog(StoredGdpr& kept) : stored{kept} {}
  Task<std::vector<PersonLetter>> letters(std::set<std::string>) override {
    co_return std::vector<PersonLetter>(static_cast<std::size_t>(stored.open_letters));
  }
  Task<LogEnds> ends() override { co_return LogEnds{R"({"chat.messages":{"0":7}})", 42}; }
  Task<std::string> starts() override { co_return R"({"chat.messages":{"0":7}})"; }
  StoredGdpr& stored;
};

struct FakeArchives final : ArchiveMaker {
  explicit FakeArchives(StoredGdpr& kept) : stored{kept} {}
  Task<MadeArchive> make(Context&, GdprExportRequested const&) override {
    co_return MadeArchive{random_uuid(), {}, 1, "", {{"messages", 3}, {"gdpr_requests", 1}}};
  }
  void keep(UnitOfWork&, GdprRequest const&, MadeArchive const&) override { ++stored.archives; }
  StoredGdpr& stored;
};

/// A handler on stores in memory.
struct GdprFixture {
  StoredGdpr stored;
  FakeContext context{"gdpr", 2};
  GdprHandler handler{{std::make_unique<FakeRequests>(stored), std::make_unique<FakeAuditLog>(stored),
                       std::make_unique<FakeErasure>(stored), std::make_unique<FakeTopicLog>(stored),
                       std::make_unique<FakeArchives>(stored)}};
  GdprFixture() { context.keep_consistent(stored); }

  static GdprDeletionRequested deletion(bool dry_run = false) {
    return {{random_uuid(), "shop.example", std::string(32, 'a'), {}, {}, "subject_request", dry_run}};
  }
  StoredRequest& row(GdprRequest const& request) { return stored.requests.at(request.request_id); }
};

}  // namespace omnibus::gdpr::test
