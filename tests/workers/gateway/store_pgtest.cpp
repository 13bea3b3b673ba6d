#include "events/conversation.hpp"
#include "tests/common/postgres/database_fixture.hpp"
#include "workers/gateway/door/idempotency.hpp"
#include "workers/gateway/door/refusal.hpp"
#include "workers/gateway/store.hpp"

#include <string>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>
#include <doctest/doctest.h>
#include <pqxx/pqxx>

using namespace omnibus;
using namespace omnibus::gateway;
using namespace std::chrono_literals;
namespace asio = boost::asio;

namespace {

/// A migrated database with two tenants, and the gateway's view of it.
struct Fixture {
  test::TestDatabase database;
  pqxx::connection admin{database.url()};
  TransactionPool pool{[&] {
    PoolSettings settings;
    settings.url = database.url_as("gateway");
    settings.size = 4;
    return settings;
  }()};
  Store store{pool};
  Scope const shop = Principal{"shop.example", Role::service}.in("shop.example");
  Scope const bank = Principal{"bank.example", Role::service}.in("bank.example");
  Uuid const conversation_id = conversation_id_of("shop.example", "s1");

  Fixture() {
    execute("INSERT INTO tenants (domain) VALUES ('shop.example'), ('bank.example')");
    pqxx::nontransaction(admin).exec(
        "INSERT INTO conversations (id, domain, session_id) VALUES ($1, 'shop.example', 's1')",
        pqxx::params{to_string(conversation_id)});
    pqxx::nontransaction(admin).exec(
        "INSERT INTO messages (conversation_id, seq, role, content) SELECT $1, n, CASE n % 2 WHEN 1 THEN 'user' ELSE "
        "'assistant' END, 'text ' || n FROM generate_series(1, 5) n",
        pqxx::params{to_string(conversation_id)});
  }

  void execute(std::string const& sql) { pqxx::nontransaction(admin).exec(sql); }

  template <class T>
  T get(Task<T> task) {
    asio::io_context context;
    auto result = asio::co_spawn(context, std::move(task), asio::use_future);
    context.run();
    return result.get();
  }

  IdempotencyClaim claim_of(std::string const& text) const {
    IdempotencyClaim claim;
    claim.scope = shop;
    claim.key = "k1";
    claim.request = fingerprint({text});
    claim.event_id = event_id_of(claim.scope.domain, claim.key);
    claim.conversation_id = conversation_id;
    return claim;
  }
};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "a transcript comes in pages and only to its tenant") {
  auto const first = get(store.transcript(shop, conversation_id, 0, 3));
  REQUIRE(first);
  CHECK(first->session_id == "s1");
  CHECK(first->status == "open");
  REQUIRE(first->messages.size() == 3);
  CHECK(first->messages[0].role == "user");
  CHECK(first->messages[0].created_at.ends_with("Z"));
  CHECK(first->next_after_seq == 3);
  auto const last = get(store.transcript(shop, conversation_id, 3, 3));
  CHECK(last->messages.size() == 2);
  CHECK_FALSE(last->next_after_seq);
  CHECK_FALSE(get(store.transcript(bank, conversation_id, 0, 3)));
  CHECK_FALSE(get(store.conversation(bank, conversation_id)));
}

TEST_CASE_FIXTURE(Fixture, "a page of long messages ends before its number, and the pages together have all") {
  execute(
      "INSERT INTO messages (conversation_id, seq, role, content) SELECT id, n, 'user', repeat('x', 400000) FROM "
      "conversations, generate_series(6, 12) AS n WHERE session_id = 's1'");
  std::vector<std::int64_t> seqs;
  std::optional<std::int64_t> after = 0;
  for (int pages = 0; after; ++pages) {
    REQUIRE(pages < 10);
    auto const page = get(store.transcript(shop, conversation_id, *after, 100));
    CHECK(page->messages.size() <= 8);
    for (auto const& message : page->messages) seqs.push_back(message.seq);
    after = page->next_after_seq;
  }
  CHECK(seqs == std::vector<std::int64_t>{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12});
}

TEST_CASE_FIXTURE(Fixture, "of those who claim a key at once one publishes and the others get its outcome") {
  Idempotency idempotency(store, 15s, 10s);
  asio::io_context context;
  int published = 0;
  int done = 0;
  auto post = [&]() -> Task<> {
    std::function<Task<>()> publish = [&]() -> Task<> {
      auto const executor = co_await asio::this_coro::executor;
      auto turn = asio::post(executor, asio::use_awaitable);
      co_await std::move(turn);
      ++published;
    };
    auto once = idempotency.once(claim_of("hello"), publish);
    co_await std::move(once);
    ++done;
  };
  for (int i = 0; i < 20; ++i) asio::co_spawn(context, post(), asio::detached);
  context.run();
  CHECK(published == 1);
  CHECK(done == 20);
}

TEST_CASE_FIXTURE(Fixture, "a key that comes with something else is refused, before and after it was published") {
  auto claim = claim_of("hello");
  CHECK(get(store.claim(claim, 15s)) == ClaimOutcome::claimed);
  auto other = claim_of("something else");
  CHECK(get(store.claim(other, 15s)) == ClaimOutcome::other_request);
  get(store.mark_published(claim));
  CHECK(get(store.claim(other, 15s)) == ClaimOutcome::other_request);
  CHECK(get(store.claim(claim, 15s)) == ClaimOutcome::published);
}

TEST_CASE_FIXTURE(Fixture, "a claim that was given back or ran out is taken over") {
  auto first = claim_of("hello");
  auto second = claim_of("hello");
  CHECK(get(store.claim(first, 15s)) == ClaimOutcome::claimed);
  CHECK(get(store.claim(second, 15s)) == ClaimOutcome::in_progress);
  CHECK(get(store.claim(second, 0s)) == ClaimOutcome::claimed);
  get(store.release(first, 15s));  // is no longer its own
  CHECK(get(store.claim(first, 15s)) == ClaimOutcome::in_progress);
  get(store.release(second, 15s));
  CHECK(get(store.claim(first, 15s)) == ClaimOutcome::claimed);
}

TEST_CASE_FIXTURE(Fixture, "a publication that failed leaves the key to whoever tries next") {
  Idempotency idempotency(store, 15s, 1s);
  std::function<Task<>()> fail = []() -> Task<> {
    throw Refusal::unavailable("no broker");
    co_return;
  };
  CHECK_THROWS_AS(get(idempotency.once(claim_of("hello"), fail)), Refusal);
  bool published = false;
  std::function<Task<>()> publish = [&]() -> Task<> {
    published = true;
    co_return;
  };
  get(idempotency.once(claim_of("hello"), publish));
  CHECK(published);
}

TEST_CASE_FIXTURE(Fixture,
                  "a closed conversation takes no message and no claim, but repeats the answer of one it took") {
  auto taken = claim_of("hello");
  CHECK(get(store.claim(taken, 15s)) == ClaimOutcome::claimed);
  get(store.mark_published(taken));
  execute("UPDATE conversations SET status = 'resolved'");
  auto late = claim_of("hello");
  CHECK(get(store.claim(late, 15s)) == ClaimOutcome::published);
  late.key = "k2";
  CHECK(get(store.claim(late, 15s)) == ClaimOutcome::conversation_closed);
  CHECK(get(store.claim(late, 15s)) == ClaimOutcome::conversation_closed);
}

TEST_CASE_FIXTURE(Fixture, "without a required consent a message and a claim are refused; a repeat gets its answer") {
  auto taken = claim_of("hello");
  CHECK(get(store.claim(taken, 15s)) == ClaimOutcome::claimed);
  get(store.mark_published(taken));
  CHECK(get(store.chat_standing(shop, conversation_id)).allowed);
  execute(R"(UPDATE tenants SET settings = '{"privacy_preferences": {"consent_required": true}}')");
  CHECK_FALSE(get(store.chat_standing(shop, conversation_id)).allowed);
  CHECK_FALSE(get(store.chat_standing(bank, random_uuid())).allowed);
  auto late = claim_of("hello");
  CHECK(get(store.claim(late, 15s)) == ClaimOutcome::published);
  late.key = "k2";
  CHECK(get(store.claim(late, 15s)) == ClaimOutcome::consent_required);
  execute(
      "INSERT INTO consents (domain, subject_key, purpose, granted, source, event_id) SELECT domain,"
      " replace(id::text, '-', ''), 'processing', true, 'service', id FROM conversations");
  CHECK(get(store.chat_standing(shop, conversation_id)).allowed);
  CHECK(get(store.claim(late, 15s)) == ClaimOutcome::claimed);
  // Another tenant's visitor of the same conversation id has consented to nothing there.
  CHECK_FALSE(get(store.chat_standing(bank, conversation_id)).allowed);
}
