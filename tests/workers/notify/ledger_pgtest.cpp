// The ledger in a migrated database, as the roles that use it.
#include "tests/workers/notify/ledger_fixture.hpp"

#include <algorithm>

using namespace omnibus;
using namespace omnibus::notify;
using namespace omnibus::notify::test;

TEST_CASE("a delivery goes from its plan to the provider's hands, with its log and the session's flag") {
  Ledger ledger;
  auto const plan = ledger.plan();
  CHECK_FALSE(ledger.look(plan).planned);
  auto const opened = ledger.open(plan);
  CHECK(opened.found.claimed);
  CHECK(opened.planned);
  CHECK(opened.person.phone_number == "+250788123456");
  CHECK(ledger.dispatch(plan) == Clearance::go);
  CHECK(ledger.state(plan) == "dispatching 1");
  CHECK(ledger.end(plan, "accepted", 1, "m1") == States{"accepted"});
  CHECK(ledger.state(plan) == "accepted 1");
  CHECK(ledger.log(plan) == "sent");
  CHECK(ledger.value("SELECT sms_summary_sent::text || whatsapp_summary_sent::text FROM omnichannel_sessions") ==
        "truefalse");
  CHECK(ledger.open(plan).found.state == "accepted");
  CHECK_FALSE(ledger.open(plan).found.claimed);
}

TEST_CASE("results come in the order asked, whatever the order of the keys") {
  Ledger ledger;
  std::vector<DeliveryPlan> plans;
  plans.reserve(50);
  for (int i = 0; i < 50; ++i) plans.push_back(ledger.plan());
  plans[7].profile_id = random_uuid();
  plans[9].domain = "nobody.example";
  auto const opened = open_deliveries(ledger.notify, plans, "a", lease);
  REQUIRE(opened.size() == plans.size());
  CHECK_FALSE(opened[7].known_person);
  CHECK_FALSE(opened[9].known_tenant);
  std::vector<Departure> all;
  all.reserve(plans.size());
  for (auto const& plan : plans) all.push_back({plan.effect_key, 1});
  auto const verdicts = dispatch_deliveries(ledger.notify, all, "a", lease, {});
  for (std::size_t i = 0; i < verdicts.size(); ++i)
    CHECK(verdicts[i] == (i == 7 || i == 9 ? Clearance::lost : Clearance::go));
}

TEST_CASE("a claim keeps others away until its lease ends") {
  Ledger ledger;
  auto const plan = ledger.plan();
  CHECK(ledger.open(plan, "a").found.claimed);
  auto const other = ledger.open(plan, "b");
  CHECK_FALSE(other.found.claimed);
  CHECK(other.found.lease_left > std::chrono::seconds{50});
  CHECK(ledger.open(plan, "a", std::chrono::milliseconds{-1}).found.claimed);  // the claimant itself may come again
  CHECK(ledger.open(plan, "b").found.claimed);
}

TEST_CASE("a zombie whose claim has gone to another may not dispatch") {
  Ledger ledger;
  auto const plan = ledger.plan();
  REQUIRE(ledger.open(plan, "zombie", std::chrono::milliseconds{-1}).found.claimed);
  REQUIRE(ledger.open(plan, "heir").found.claimed);
  CHECK(ledger.dispatch(plan, 1, "zombie") == Clearance::lost);
  CHECK(ledger.dispatch(plan, 1, "heir") == Clearance::go);
  CHECK(ledger.dispatch(plan, 1, "zombie") == Clearance::lost);
  CHECK(ledger.dispatch(plan, 1, "heir", {}, over) == Clearance::go);  // asked again, as after a lost answer
  CHECK(claim_again(ledger.notify, plan, 1, "third", lease));
  CHECK_FALSE(claim_again(ledger.notify, plan, 1, "fourth", lease));
  CHECK(ledger.dispatch(plan, 1, "heir") == Clearance::lost);
  CHECK(ledger.state(plan) == "claimed 2");
}

TEST_CASE("what is on its way is its worker's for another lease, and is neither judged nor sent again by others") {
  Ledger ledger;
  auto const plan = ledger.plan();
  ledger.open(plan, "a", std::chrono::milliseconds{10});
  REQUIRE(ledger.dispatch(plan) == Clearance::go);
  CHECK(ledger.open(plan, "b").found.lease_left > std::chrono::seconds{50});
  CHECK_FALSE(claim_again(ledger.notify, plan, 1, "b", lease));
  CHECK(ledger.open(plan, "a").found.lease_left == std::chrono::milliseconds{0});
  REQUIRE(ledger.dispatch(plan, 1, "a", {}, over) == Clearance::go);
  REQUIRE(ledger.dispatch(plan) == Clearance::go);  // asked again it is renewed again
  CHECK_FALSE(claim_again(ledger.notify, plan, 1, "b", lease));
  CHECK(claim_again(ledger.notify, plan, 1, "a", lease));
}

TEST_CASE("an answer that was left is of its attempt only, and of the worker that sent it") {
  Ledger ledger;
  auto const plan = ledger.plan();
  ledger.open(plan);
  ledger.dispatch_for_too_long(plan);
  Ending ending;
  ending.effect_key = plan.effect_key;
  ending.state = "accepted";
  ending.provider_message_id = "m1";
  leave_answer(ledger.notify, ending, "b");
  CHECK_FALSE(ledger.open(plan, "b").found.answered);
  leave_answer(ledger.notify, ending, "a");
  auto const opened = ledger.open(plan, "b");
  CHECK(opened.found.answered);
  CHECK(opened.answer.state == "accepted");
  CHECK(opened.answer.provider_message_id == "m1");
  CHECK_FALSE(opened.answer.reason);
  REQUIRE(claim_again(ledger.notify, plan, 1, "b", lease));
  CHECK_FALSE(ledger.open(plan, "c").found.answered);
  leave_answer(ledger.notify, ending, "a");
  CHECK(ledger.state(plan) == "claimed 2");
}

TEST_CASE("an attempt that nobody knows of leaves its delivery in doubt, however the next one is refused") {
  for (auto const* state : {"failed", "skipped"}) {
    CAPTURE(state);
    Ledger ledger;
    auto const plan = ledger.plan();
    ledger.open(plan);
    ledger.dispatch_for_too_long(plan);
    REQUIRE(claim_again(ledger.notify, plan, 1, "b", lease));
    CHECK(ledger.end(plan, state, 2) == States{"in_doubt"});
    CHECK(ledger.state(plan) == "in_doubt 2");
    CHECK(ledger.receipt(plan, "delivered", "m1", true)->state == "delivered");
  }
}

TEST_CASE("who says STOP after the claim is not sent to, save the answer to STOP") {
  Ledger ledger;
  for (auto const* channel : {"sms", "whatsapp"}) {
    CAPTURE(channel);
    auto const plan = ledger.plan(channel);
    auto answer = ledger.plan(channel);
    answer.kind = "opt_out";
    ledger.open(plan);
    ledger.open(answer);
    ledger.value(std::string{"UPDATE profiles SET "} + channel + "_opt_out_at = now() RETURNING 'done'");
    CHECK(ledger.dispatch(plan) == Clearance::opted_out);
    CHECK(ledger.dispatch(answer) == Clearance::go);
    CHECK(ledger.state(plan) == "claimed 1");
  }
}

TEST_CASE("whom an attempt was given to is told to the next, which may be another's") {
  Ledger ledger;
  auto plan = ledger.plan();
  CHECK_FALSE(ledger.look(plan).provider);
  ledger.open(plan);
  ledger.dispatch_for_too_long(plan);
  plan.provider = "twilio_sms";
  CHECK(ledger.open(plan, "b").provider == "mtn_sms");
  REQUIRE(claim_again(ledger.notify, plan, 1, "b", lease));
  CHECK(ledger.value("SELECT provider FROM pipeline.delivery") == "twilio_sms");
}

TEST_CASE("a refused message is planned for its next attempt, and a stale ending changes nothing") {
  Ledger ledger;
  auto const plan = ledger.plan();
  ledger.open(plan);
  ledger.dispatch(plan);
  CHECK(ledger.end(plan, "planned", 1, {}, "429") == States{"planned"});
  CHECK(ledger.state(plan) == "planned 2");
  CHECK(ledger.end(plan, "failed", 1) == States{});
  CHECK(ledger.end(plan, "in_doubt", 1) == States{});
  CHECK(ledger.state(plan) == "planned 2");
  CHECK(ledger.open(plan, "b").found.attempt == 2);
  CHECK(ledger.dispatch(plan, 2, "b") == Clearance::go);
}

TEST_CASE("that an earlier attempt was taken after all keeps a later one from being sent") {
  Ledger ledger;
  auto const plan = ledger.plan();
  ledger.open(plan);
  ledger.dispatch_for_too_long(plan);
  REQUIRE(claim_again(ledger.notify, plan, 1, "b", lease));
  SUBCASE("by the word of the worker that sent it") {
    CHECK(ledger.end(plan, "accepted", 1, "m1") == States{"accepted"});
  }
  SUBCASE("by a receipt") {
    CHECK(ledger.receipt(plan, "delivered", "m1", true)->before == "claimed");
  }
  CHECK(ledger.dispatch(plan, 2, "b") == Clearance::lost);
}

TEST_CASE("an id that a provider gives twice is nobody's") {
  Ledger ledger;
  auto const first = ledger.plan();
  auto const second = ledger.plan();
  for (auto const& plan : {first, second}) {
    ledger.open(plan);
    ledger.dispatch(plan);
    CHECK(ledger.end(plan, "accepted", 1, "same") == States{"accepted"});
  }
  CHECK(ledger.receipt(second, "delivered", "same")->request_id == first.request_id);
  CHECK(compare(ledger.notify, second, "+250788123456", {"same", "other"}).free == std::vector<std::string>{"other"});
}

TEST_CASE("a tenant's cap is not exceeded, and what was refused is not counted") {
  Ledger ledger;
  auto const spent = [&] { return ledger.value("SELECT trim_scale(spent)::text FROM pipeline.spend"); };
  std::vector<DeliveryPlan> plans;
  plans.reserve(4);
  for (int i = 0; i < 4; ++i) plans.push_back(ledger.plan("sms", 400'000));
  for (auto const& plan : plans) ledger.open(plan);
  CHECK(ledger.dispatch(plans[0], 1, "a", 1.0) == Clearance::go);
  CHECK(ledger.dispatch(plans[1], 1, "a", 1.0) == Clearance::go);
  CHECK(ledger.dispatch(plans[2], 1, "a", 1.0) == Clearance::capped);
  CHECK(spent() == "0.8");
  CHECK(ledger.end(plans[2], "skipped") == States{"skipped"});
  CHECK(ledger.end(plans[0], "failed") == States{"failed"});
  CHECK(spent() == "0.4");
  CHECK(ledger.dispatch(plans[3], 1, "a", 1.0) == Clearance::go);
  ledger.value("INSERT INTO pipeline.spend_cap VALUES ('" + std::string{domain} + "', 10) RETURNING domain");
  auto const more = ledger.plan("sms", 5'000'000);
  ledger.open(more);
  CHECK(ledger.dispatch(more, 1, "a", 1.0) == Clearance::go);
}

TEST_CASE("messages that are dispatched together stop at their own tenant's cap") {
  Ledger ledger;
  ledger.database.add_tenant("bank.example");
  auto const of_bank = [&] {
    auto plan = ledger.plan("sms", 400'000);
    plan.domain = "bank.example";
    plan.profile_id = *parse_uuid(ledger.value(
        "INSERT INTO profiles (domain, phone_number) VALUES ('bank.example', '+250788123457') RETURNING id"));
    plan.session_id = {};
    return plan;
  }();
  std::vector<DeliveryPlan> const plans{ledger.plan("sms", 400'000), of_bank, ledger.plan("sms", 400'000),
                                        ledger.plan("sms", 400'000)};
  std::vector<Departure> departures;
  for (auto const& plan : plans) {
    ledger.open(plan);
    departures.push_back({plan.effect_key});
  }
  auto const verdicts = dispatch_deliveries(ledger.notify, departures, "a", lease, 1.0);
  CHECK(verdicts[1] == Clearance::go);
  CHECK(std::ranges::count(verdicts, Clearance::go) == 3);
  CHECK(std::ranges::count(verdicts, Clearance::capped) == 1);
  CHECK(ledger.value("SELECT string_agg(concat_ws(' ', domain, round(spent, 1)), ', ' ORDER BY domain) FROM "
                     "pipeline.spend") == "bank.example 0.4, shop.example 0.8");
  CHECK(ledger.value("SELECT count(*) FROM pipeline.delivery WHERE state = 'dispatching'") == "3");
  // Asked again, what is dispatching costs nothing more.
  CHECK(dispatch_deliveries(ledger.notify, departures, "a", lease, 1.0) == verdicts);
  CHECK(ledger.value("SELECT sum(spent)::numeric(9,1) FROM pipeline.spend") == "1.2");
}

TEST_CASE("no state goes back, whoever writes it") {
  Ledger ledger;
  auto const plan = ledger.plan();
  ledger.open(plan);
  ledger.dispatch(plan);
  auto const set = [&](std::string const& change) {
    pqxx::connection admin{ledger.database.url()};
    pqxx::nontransaction{admin}.exec("UPDATE pipeline.delivery SET " + change);
  };
  CHECK_THROWS_AS(set("state = 'claimed'"), pqxx::check_violation);
  CHECK_THROWS_AS(set("state = 'planned'"), pqxx::check_violation);
  CHECK_THROWS_AS(set("state = 'skipped'"), pqxx::check_violation);
  CHECK_THROWS_AS(set("state = 'planned', attempt = 3"), pqxx::check_violation);
  set("state = 'accepted'");
  for (auto const* const back : {"planned", "claimed", "dispatching", "in_doubt", "skipped"})
    CHECK_THROWS_AS(set("state = '" + std::string{back} + "'"), pqxx::check_violation);
  CHECK_THROWS_AS(set("state = 'planned', attempt = attempt + 1"), pqxx::check_violation);
}

TEST_CASE("PostgreSQL refuses a replay every write to the ledger") {
  Ledger ledger;
  auto const plan = ledger.plan();
  pqxx::connection replay{ledger.database.url_as("replay")};
  CHECK_THROWS_AS(open_deliveries(replay, {plan}, "r", lease), pqxx::insufficient_privilege);
  ledger.open(plan);
  CHECK_THROWS_AS(dispatch_deliveries(replay, {{plan.effect_key, 1}}, "a", lease, {}), pqxx::insufficient_privilege);
  CHECK_THROWS_AS(claim_again(replay, plan, 1, "r", lease), pqxx::insufficient_privilege);
  CHECK(ledger.state(plan) == "claimed 1");
}

TEST_CASE("an operator's word counts once, and only for what they saw") {
  Ledger ledger;
  auto const plan = ledger.plan();
  ledger.open(plan);
  ledger.dispatch(plan);
  ledger.end(plan, "in_doubt");
  pqxx::connection operator_session{ledger.database.url_as("operator")};
  auto const resolve = [&](std::string const& state, int attempt, std::string const& action) {
    return pqxx::nontransaction{operator_session}
        .exec("SELECT content FROM pipeline.resolve_delivery($1, $2, $3, $4, 'ann')",
              pqxx::params{to_string(plan.effect_key), state, attempt, action})
        .size();
  };
  CHECK(resolve("dispatching", 1, "accepted") == 0);
  CHECK(resolve("in_doubt", 2, "accepted") == 0);
  SUBCASE("it was accepted") {
    CHECK(resolve("in_doubt", 1, "accepted") == 1);
    CHECK(resolve("in_doubt", 1, "failed") == 0);
    CHECK(resolve("accepted", 1, "resend") == 0);
    CHECK(ledger.log(plan) == "sent");
  }
  SUBCASE("it is sent again, with the words it had") {
    CHECK(resolve("in_doubt", 1, "resend") == 1);
    CHECK(ledger.state(plan) == "planned 2");
    auto const opened = ledger.open(plan, "b");
    CHECK(opened.found.claimed);
    CHECK(opened.content == "Agreed: 250k");
  }
  CHECK(ledger.value("SELECT count(*) || actor FROM pipeline.delivery_actions GROUP BY actor") == "1ann");
}

TEST_CASE("a request that only calls itself the answer to a keyword reaches nobody who opted out") {
  Ledger ledger;
  ledger.value("UPDATE profiles SET allows_sms = false, sms_opt_out_at = now() RETURNING 'done'");
  for (auto const& each : {std::pair{"opt_out", false}, {"opt_in", false}, {"help", false}, {"help", true}}) {
    auto const* const kind = each.first;
    auto const logged = each.second;
    CAPTURE(kind);
    auto plan = ledger.plan();
    if (logged) ledger.ask_for(plan);  // as another kind
    plan.kind = kind;
    CHECK(open_deliveries(ledger.notify, {plan}, "a", lease).front().kind == "message");
    CHECK(open_deliveries(ledger.notify, {plan}, "a", lease).front().kind == "message");  // nor later
    CHECK(ledger.dispatch(plan) == Clearance::opted_out);
  }
}

TEST_CASE("a person's messages of a day are counted, each call once, and what was not sent is not") {
  Ledger ledger;
  auto const call = ledger.plan("sms");
  auto same_call = ledger.plan("whatsapp");
  same_call.event_key = call.event_key;
  auto reply = ledger.plan("sms");
  reply.kind = "reply";
  for (auto const& plan : {call, same_call, reply}) {
    ledger.open(plan);
    ledger.dispatch(plan);
    ledger.end(plan, "accepted", 1, to_string(plan.effect_key));
  }
  auto const refused = ledger.plan("sms");
  ledger.open(refused);
  ledger.dispatch(refused);
  ledger.end(refused, "failed");
  ledger.open(ledger.plan("sms"));  // claimed only
  auto const counted = ledger.open(ledger.plan("sms")).sent_today;
  CHECK(counted.messages == 3);
  CHECK(counted.call_summaries == 1);
  CHECK(ledger.open(call).sent_today.messages == 1);  // without itself and its other channel
  ledger.value("UPDATE pipeline.delivery SET dispatched_at = now() - interval '25 hours' WHERE effect_key = '" +
               to_string(reply.effect_key) + "' RETURNING 'done'");
  CHECK(ledger.open(ledger.plan("sms")).sent_today.messages == 2);
}
