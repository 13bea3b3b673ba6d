#include "workers/gdpr/erasure/topic_log.hpp"

#include "kafka/embedded_broker.hpp"
#include "kafka/producer.hpp"

#include <set>
#include <string>
#include <vector>

#include <doctest/doctest.h>

using namespace omnibus;
using namespace omnibus::gdpr;
using namespace std::chrono_literals;

TEST_CASE("letters of many people are read together, and each person gets their own") {
  kafka::EmbeddedBroker const broker{kafka::TopicCatalog::built_in()};
  kafka::ClientSettings settings;
  settings.brokers = broker.bootstrap();
  std::vector<std::set<std::string>> people;
  {
    kafka::Producer producer{settings};
    for (int person = 0; person < 5; ++person) {
      auto const id = random_uuid();
      people.push_back({alias(id).text(), alias(random_uuid()).text()});
      for (int letter = 0; letter < person; ++letter)  // of the first person there is none
        producer.produce({"chat.messages.dlq", to_string(id), "{}", {{"error.worker", "chat"}}, {}}, {});
    }
    REQUIRE(producer.flush(10s));
  }
  auto const letters = KafkaTopicLog::read_letters(settings, people);
  REQUIRE(letters.size() == people.size());
  std::set<std::string> ids;
  for (std::size_t person = 0; person < people.size(); ++person) {
    CHECK(letters[person].size() == person);
    for (auto const& letter : letters[person]) {
      CHECK(letter.topic == "chat.messages.dlq");
      CHECK(letter.worker == "chat");
      ids.insert(to_string(letter.id));
    }
  }
  CHECK(ids.size() == 10);
}
