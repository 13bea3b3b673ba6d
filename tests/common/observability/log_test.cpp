#include "observability/log.hpp"

#include <limits>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include <boost/json/parse.hpp>
#include <doctest/doctest.h>

namespace omnibus {
namespace {

namespace json = boost::json;

/// Takes the log lines of one test.
class Captured {
 public:
  explicit Captured(log::Level level = log::Level::info) {
    log::configure("chat", level);
    log::redirect(&stream_);
  }
  ~Captured() {
    log::redirect(nullptr);
    log::configure("", log::Level::info);
  }
  std::vector<json::object> lines() const {
    std::vector<json::object> parsed;
    std::istringstream in(stream_.str());
    for (std::string line; std::getline(in, line);) parsed.push_back(json::parse(line).as_object());
    return parsed;
  }
  std::string text() const { return stream_.str(); }

 private:
  std::ostringstream stream_;
};

}  // namespace

TEST_CASE("a line is one JSON object with time, level, worker, message and typed fields") {
  Captured const captured;
  log::info("reply stored",
            {{"attempt", 2}, {"bytes", std::size_t{7}}, {"seconds", 0.25}, {"late", false}, {"model", "small"}});
  auto const lines = captured.lines();
  REQUIRE(lines.size() == 1);
  auto const& line = lines[0];
  CHECK(line.at("level") == "info");
  CHECK(line.at("worker") == "chat");
  CHECK(line.at("msg") == "reply stored");
  CHECK(line.at("attempt") == 2);
  CHECK(line.at("bytes").to_number<int>() == 7);
  CHECK(line.at("seconds") == 0.25);
  CHECK(line.at("late") == false);
  CHECK(line.at("model") == "small");
  std::string const ts(line.at("ts").as_string());
  REQUIRE(ts.size() == 24);
  CHECK(ts[10] == 'T');
  CHECK(ts[19] == '.');
  CHECK(ts[23] == 'Z');
}

TEST_CASE("a line about an event names the event, its key's hash and its trace") {
  Captured const captured;
  log::EventFields const event{.event_id = "e-1", .key_hash = 0xabc, .trace_id = "4bf92f35"};
  log::error(event, "dead letter", {{"reason", "missing text"}});
  auto const line = captured.lines().at(0);
  CHECK(line.at("level") == "error");
  CHECK(line.at("event_id") == "e-1");
  CHECK(line.at("key_hash") == "0000000000000abc");
  CHECK(line.at("trace_id") == "4bf92f35");
  CHECK(line.at("reason") == "missing text");
}

TEST_CASE("a line below the level is not written") {
  Captured const captured(log::Level::warn);
  log::info("quiet");
  log::warn("loud");
  CHECK_FALSE(log::enabled(log::Level::info));
  REQUIRE(captured.lines().size() == 1);
  CHECK(captured.lines()[0].at("msg") == "loud");
}

TEST_CASE("quotes, control characters and broken UTF-8 cannot break a line") {
  Captured const captured;
  log::info("a\"b\\c\nd\te\x01", {{"bad", std::string_view("x\xff\xc3y\xed\xa0\x80z")},
                                  {"good", "h\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80"},
                                  {"nul", std::string_view("\0", 1)},
                                  {"endless", std::numeric_limits<double>::infinity()}});
  auto const line = captured.lines().at(0);
  CHECK(line.at("msg") == "a\"b\\c\nd\te\x01");
  CHECK(line.at("bad") == "x\xEF\xBF\xBD\xEF\xBF\xBDy\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBDz");
  CHECK(line.at("good") == "h\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80");
  CHECK(line.at("nul") == "\xEF\xBF\xBD");
  CHECK(line.at("endless").is_null());
  CHECK(captured.text().find('\n') == captured.text().size() - 1);
}

TEST_CASE("a long value is cut at 512 bytes, never inside a character") {
  for (auto const* unit : {"a", "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80"}) {
    std::string text;
    while (text.size() <= 600) text += unit;
    std::string cut;
    log::append_text(cut, text);
    CHECK(cut.size() <= 514);  // 512 and the quotes
    CHECK(cut.size() >= 510);
    CHECK(cut.ends_with("\xE2\x80\xA6\""));
    CHECK(cut.find("\xEF\xBF\xBD") == std::string::npos);
  }
  std::string whole;
  log::append_text(whole, std::string(512, 'a'));
  CHECK(whole.size() == 514);
}

TEST_CASE("lines of many threads do not mix") {
  Captured const captured;
  {
    std::vector<std::jthread> threads;
    for (int thread = 0; thread < 4; ++thread) {
      threads.emplace_back([thread] {
        for (int i = 0; i < 200; ++i) log::info("tick", {{"thread", thread}, {"i", i}});
      });
    }
  }
  CHECK(captured.lines().size() == 800);
}

TEST_CASE("levels are known by their names") {
  CHECK(log::parse_level("warn") == log::Level::warn);
  CHECK(log::parse_level("off") == log::Level::off);
  CHECK_FALSE(log::parse_level("WARN"));
}

}  // namespace omnibus
