/// topics.yaml under libFuzzer: any text is a catalogue that keeps its own rules, or is refused with its line.
/// Built and run by tests/fuzz/run.
#include "kafka/topics.hpp"
#include "tests/fuzz/must.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

using namespace omnibus;
using namespace omnibus::kafka;

namespace {

void is_whole(TopicCatalog const& catalog) {
  must(!catalog.topics().empty(), "a catalogue has topics");
  (void)catalog.longest_retention();
  for (auto const& topic : catalog.topics()) {
    must(catalog.find(topic.name) == &topic, "a name is of one topic");
    must(!topic.name.empty() && topic.name.size() <= 249, "a name is one that Kafka takes");
    must(topic.partitions >= 1 && topic.replication_factor >= 1, "a topic can be made");
    must(topic.max_message_bytes() >= 1 << 20, "a topic takes a batch");
    for (auto const& type : topic.events) must(catalog.topic_of(type) == &topic, "an event is of one topic");
    for (auto const& worker : topic.consumers) {
      auto const consumed = catalog.consumed_by(worker);
      must(std::find(consumed.begin(), consumed.end(), &topic) != consumed.end(), "a consumer finds its topic");
    }
    auto const* dead = catalog.find(dead_letter_topic(topic.name));
    if (dead == nullptr || !dead->dead_letter) continue;
    must(dead->partitions == topic.partitions, "dead letters keep their partition");
    must(dead->max_message_bytes() > topic.max_message_bytes(), "a dead letter has room for its reason");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* bytes, std::size_t size) {
  std::string_view const text(reinterpret_cast<char const*>(bytes), size);
  try {
    is_whole(TopicCatalog::parse(text, "f"));
  } catch (TopicsFileError const& error) {
    std::string_view const what = error.what();
    must(what.starts_with("f:") && what.size() > 4 && what[2] >= '1' && what[2] <= '9', "a refusal names its line");
  }
  return 0;
}
