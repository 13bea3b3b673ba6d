#include "tools/messaging_tools.hpp"

#include "json/decode.hpp"

#include <set>

#include <boost/describe/class.hpp>
#include <doctest/doctest.h>

using namespace omnibus;
using namespace omnibus::tools;

namespace {

SessionState session() {
  return {name_uuid({}, "session"), "follow_up", R"({"price": "300k"})"};
}

struct Refusal {
  std::string error;
};
BOOST_DESCRIBE_STRUCT(Refusal, (), (error))

bool refused(std::string const& answer) {
  return json::decode<Refusal>(answer).has_value();
}

}  // namespace

TEST_CASE("a model is told of seven tools, each with a schema") {
  std::set<std::string> names;
  for (auto const& tool : messaging_tools()) {
    names.insert(tool.name);
    CHECK_FALSE(tool.description.empty());
    CHECK(tool.parameters.front() == '{');
  }
  CHECK(names == std::set<std::string>{"messaging_send_dual_channel", "messaging_send_sms", "messaging_send_whatsapp",
                                       "session_add_context", "session_get_context", "session_get_or_create",
                                       "session_update_status"});
}

TEST_CASE("every tool that a model is told of is there, and no other") {
  for (auto const& tool : messaging_tools()) {
    MessagingTools tools{session()};
    CAPTURE(tool.name);
    CHECK(tools.execute(tool.name, R"({"body":"b","status":"active","context":{}})").find("no such tool") ==
          std::string::npos);
  }
  MessagingTools tools{session()};
  CHECK(refused(tools.execute("messaging_send_fax", "{}")));
}

TEST_CASE("a message is a wish for its channels, nothing more") {
  MessagingTools tools{session()};
  tools.execute("messaging_send_dual_channel", R"({"body":"one"})");
  tools.execute("messaging_send_whatsapp", R"({"body":"two"})");
  tools.execute("messaging_send_sms", R"({"body":"three"})");
  REQUIRE(tools.messages().size() == 3);
  CHECK(tools.messages()[0].channels == std::vector<std::string>{"whatsapp", "sms"});
  CHECK(tools.messages()[1].channels == std::vector<std::string>{"whatsapp"});
  CHECK(tools.messages()[2].channels == std::vector<std::string>{"sms"});
  CHECK(tools.messages()[2].body == "three");
}

TEST_CASE("a model that sends without end is stopped") {
  MessagingTools tools{session()};
  for (int i = 0; i < 10; ++i) tools.execute("messaging_send_sms", R"({"body":"again"})");
  CHECK(tools.messages().size() == MessagingTools::max_messages);
  CHECK(refused(tools.execute("messaging_send_sms", R"({"body":"again"})")));
}

TEST_CASE("facts are kept in the order in which they were given, and told back") {
  MessagingTools tools{session()};
  CHECK_FALSE(refused(tools.execute("session_add_context", R"({"context":{"price":"250k"}})")));
  CHECK_FALSE(refused(tools.execute("session_add_context", R"({"context":{"colour":"red"}})")));
  CHECK(tools.patches() == std::vector<std::string>{R"({"price":"250k"})", R"({"colour":"red"})"});
  CHECK(tools.execute("session_get_context", "{}") ==
        R"({"context":{"price": "300k"},"added":[{"price":"250k"},{"colour":"red"}]})");
}

TEST_CASE("a context that is full takes no more, and says so while the model can still tell") {
  auto full = session();
  full.context = R"({"a":")" + std::string(13 * 1024, 'x') + "\"}";
  MessagingTools tools{full};
  CHECK_FALSE(refused(tools.execute("session_add_context", R"({"context":{"b":")" + std::string(500, 'x') + "\"}}")));
  CHECK(refused(tools.execute("session_add_context", R"({"context":{"c":")" + std::string(900, 'x') + "\"}}")));
  CHECK(tools.patches().size() == 1);
}

TEST_CASE("a number that no database takes is no fact") {
  for (auto const* number : {"1e999999", "1E+131071", "1e101", "-2.5e99999999999"}) {
    MessagingTools tools{session()};
    CAPTURE(number);
    CHECK(refused(tools.execute("session_add_context", std::string{R"({"context":{"price":)"} + number + "}}")));
  }
  MessagingTools tools{session()};
  CHECK_FALSE(refused(tools.execute("session_add_context", R"({"context":{"price":2.5e3,"note":"1e999 \"e9999"}})")));
}

TEST_CASE("a model that calls without end is told to answer") {
  MessagingTools tools{session()};
  for (std::size_t i = 0; i < MessagingTools::max_calls; ++i)
    CHECK_FALSE(refused(tools.execute("session_get_context", "{}")));
  CHECK(refused(tools.execute("session_get_context", "{}")));
}

TEST_CASE("a status is one of three") {
  MessagingTools tools{session()};
  CHECK(refused(tools.execute("session_update_status", R"({"status":"deleted"})")));
  CHECK_FALSE(tools.status());
  auto const answer = tools.execute("session_update_status", R"({"status":"closed"})");
  CHECK(tools.status() == "closed");
  CHECK(answer.find(R"("status":"closed")") != std::string::npos);
}

TEST_CASE("a session of somebody else cannot be named") {
  MessagingTools tools{session()};
  auto const answer =
      tools.execute("session_get_or_create", R"({"session_id":"7","profile_id":"8","phone":"+250788"})");
  CHECK(answer.find(to_string(session().id)) != std::string::npos);
}

TEST_CASE("what a model makes of its arguments is refused in words, and does nothing") {
  std::string const deep = R"({"context":)" + std::string(20, '[') + std::string(20, ']') + "}";
  std::string const large = R"({"context":{"a":")" + std::string(9000, 'x') + "\"}}";
  for (std::string const& arguments :
       {std::string{}, std::string{"nothing"}, std::string{"[]"}, std::string{"{}"}, std::string{R"({"body":""})"},
        std::string{R"({"body":5})"}, std::string{R"({"context":"text"})"}, std::string{R"({"context":[1]})"},
        std::string{R"({"status":null})"}, deep, large, R"({"body":")" + std::string(17000, 'x') + "\"}"}) {
    for (auto const* tool : {"messaging_send_dual_channel", "messaging_send_whatsapp", "messaging_send_sms",
                             "session_update_status", "session_add_context"}) {
      MessagingTools tools{session()};
      CAPTURE(tool);
      CHECK(refused(tools.execute(tool, arguments)));
      CHECK(tools.messages().empty());
      CHECK(tools.patches().empty());
      CHECK_FALSE(tools.status());
    }
  }
}
