// The ledger of erasures on its way to the topic, and what it tells of the age of a database.
#include "ledger/database_age.hpp"
#include "ledger/ledger_topic.hpp"
#include "tests/common/engine/topic_reader.hpp"
#include "tests/common/postgres/database_fixture.hpp"
#include "workers/relay/ledger_sweep.hpp"

#include <memory>
#include <string>

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <pqxx/pqxx>

using namespace omnibus;
using namespace omnibus::engine::test;
using ledger::DatabaseAge;
using ledger::DatabaseIsOld;

namespace {

constexpr char const* anna = "0123456789abcdef0123456789abcdef";

/// A copy of a database at one moment.
class OlderDatabase : public omnibus::test::EmptyDatabase {
 public:
  explicit OlderDatabase(std::string const& database) : EmptyDatabase{database} {}
};

struct PublishedLedger {
  PublishedLedger() {
    publishing.message_timeout = std::chrono::milliseconds{0};
    if (embedded()) broker.embedded()->create_topic(std::string{ledger::ledger_topic}, 1);
    database.add_tenant("shop.example");
  }
  /// On another broker the ledger has the entries of other databases.
  bool embedded() const { return broker.embedded() != nullptr; }
  void execute(std::string const& sql) const { execute(database.url(), sql); }
  static void execute(std::string const& url, std::string const& sql) {
    pqxx::connection connection{url};
    pqxx::nontransaction{connection}.exec(sql);
  }
  void opt_out(std::string const& channel) const {
    execute(fmt::format("INSERT INTO suppressions VALUES ('shop.example', '{}', '{}', now(), 'stop')", channel, anna));
  }
  std::size_t sweep(std::string const& url) {
    pqxx::connection connection{url};
    return relay::LedgerSweep{producer, {}}.sweep(connection);
  }
  std::size_t sweep() { return sweep(database.url_as("relay")); }
  void back_up() {
    std::string name;
    {
      pqxx::connection connection{database.url()};
      name = connection.dbname();
    }
    older = std::make_unique<OlderDatabase>(name);
  }
  void check(std::string const& url, std::string_view process = "chat") const {
    DatabaseAge age{broker.client, process};
    pqxx::connection connection{url};
    age.check(connection);
  }

  Broker broker;
  omnibus::test::TestDatabase database;
  std::unique_ptr<OlderDatabase> older;
  kafka::ProducerSettings publishing;
  kafka::Producer producer{broker.client, publishing};
};

}  // namespace

TEST_CASE_FIXTURE(PublishedLedger, "entries are published once, in their order, and are the events that they say") {
  if (!embedded()) return;
  opt_out("sms");
  opt_out("whatsapp");
  execute("DELETE FROM suppressions WHERE channel = 'sms'");
  CHECK(sweep() == 3);
  CHECK(sweep() == 0);
  auto const read = ledger::read_ledger(broker.client, 0);
  REQUIRE(read.entries.size() == 3);
  CHECK(read.unreadable == 0);
  CHECK(read.entries[0].facts.text.find("\"sms\"") != std::string::npos);
  CHECK(read.entries[1].facts.text.find("\"whatsapp\"") != std::string::npos);
  CHECK(read.entries[2].facts.text.find("\"gone\"") != std::string::npos);
  CHECK(ledger::read_ledger(broker.client, 1).entries.front().entry_id == read.entries[2].entry_id);
  auto const records = read_all(broker, std::string{ledger::ledger_topic}, 3);
  CHECK(header_of(records[0], "ce_id") == to_string(read.entries[0].entry_id));
  CHECK(header_of(records[0], "ce_type") == GdprLedgerRecorded::type);
}

TEST_CASE_FIXTURE(PublishedLedger, "what is not acknowledged is published again, and counts once") {
  if (!embedded()) return;
  opt_out("sms");
  CHECK(sweep() == 1);
  execute("UPDATE pipeline.ledger SET published_at = NULL");
  CHECK(sweep() == 1);
  CHECK(ledger::read_ledger(broker.client, 0).entries.size() == 1);
}

TEST_CASE_FIXTURE(PublishedLedger, "a database that lacks an entry of the ledger is refused with the command to run") {
  if (!embedded()) return;
  back_up();
  opt_out("sms");
  CHECK_NOTHROW(check(older->url_as("chat")));  // the ledger is behind, as it may be
  sweep();
  for (auto const* role : {"chat", "gateway", "relay", "scheduler", "notify", "replay", "gdpr"}) {
    CAPTURE(role);
    CHECK_NOTHROW(check(database.url_as(role)));
    CHECK_THROWS_WITH_AS(check(older->url_as(role), role),
                         "the database is older than the ledger of erasures: 1 of the newest 1 entries are not in it; "
                         "stop all workers and run omnibus gdpr reapply",
                         DatabaseIsOld);
  }
}

TEST_CASE_FIXTURE(PublishedLedger,
                  "a restored database that went on is refused, though it gave the same numbers again") {
  if (!embedded()) return;
  back_up();
  opt_out("sms");
  sweep();
  execute(older->url(),
          fmt::format("INSERT INTO suppressions VALUES ('shop.example', 'whatsapp', '{}', now(), 'stop')", anna));
  CHECK_THROWS_AS(check(older->url_as("chat")), DatabaseIsOld);
}

TEST_CASE_FIXTURE(PublishedLedger, "a running worker notices that its database was replaced by an older one") {
  if (!embedded()) return;
  back_up();
  opt_out("sms");
  DatabaseAge age{broker.client, "chat"};
  pqxx::connection before{database.url_as("chat")};
  age.check(before);
  age.check(before);
  pqxx::connection after{older->url_as("chat")};
  CHECK_THROWS_AS(age.check(after), DatabaseIsOld);
}

TEST_CASE_FIXTURE(PublishedLedger, "while erasures are done again only the worker that does them may run") {
  execute(
      fmt::format("INSERT INTO gdpr_requests (id, domain, kind, subject_key, reapplied) VALUES (gen_random_uuid(), "
                  "'shop.example', 'delete', '{}', true)",
                  anna));
  if (!embedded()) return;
  CHECK_THROWS_AS(check(database.url_as("relay"), "relay"), DatabaseIsOld);
  CHECK_NOTHROW(check(database.url_as("gdpr"), "gdpr"));
  execute("UPDATE gdpr_requests SET status = 'completed'");
  CHECK_NOTHROW(check(database.url_as("relay"), "relay"));
}
