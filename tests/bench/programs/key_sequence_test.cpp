#include "key_sequence.hpp"

#include "order_check.hpp"

#include <map>

#include <doctest/doctest.h>

using namespace omnibus::bench;

namespace {

OrderCheck::Findings findings_of(FillSettings const& settings) {
  KeySequence keys{settings};
  OrderCheck check;
  for (std::uint64_t i = 0; i < settings.records; ++i) {
    auto const [key, number] = keys.next();
    check.handled(key + 1, number);
  }
  return check.findings();
}

}  // namespace

TEST_CASE("every key's numbers count from 0") {
  for (auto const kind : {Keys::distinct, Keys::uniform, Keys::zipf}) {
    FillSettings settings;
    settings.records = 20'000;
    settings.keys = kind;
    settings.key_count = 1000;
    auto const found = findings_of(settings);
    CHECK(found.distinct == 20'000);
    CHECK(found.disorder + found.duplicates + found.missing == 0);
  }
}

TEST_CASE("the mistakes asked for are there, and no others") {
  FillSettings settings;
  settings.records = 2000;
  settings.keys = Keys::uniform;
  settings.key_count = 100;
  settings.swapped = 3;
  settings.repeated = 5;
  settings.omitted = 7;
  auto const found = findings_of(settings);
  CHECK(found.duplicates == 5);
  CHECK(found.missing == 7);
  CHECK(found.disorder == 3 + 7);  // behind a gap as well
}

TEST_CASE("of Zipf's keys the first comes twice as often as the second and ten times as often as the tenth") {
  FillSettings settings;
  settings.keys = Keys::zipf;
  settings.key_count = 1000;
  KeySequence keys{settings};
  std::map<std::uint64_t, double> count;
  for (auto i = 0; i < 200'000; ++i) ++count[keys.next().key];
  CHECK(count[0] / count[1] == doctest::Approx(2).epsilon(0.05));
  CHECK(count[0] / count[9] == doctest::Approx(10).epsilon(0.1));
  CHECK(static_cast<double>(keys.most_of_a_key()) == count[0]);
}

TEST_CASE("of distinct keys none has more than one event") {
  KeySequence keys{{}};
  CHECK(keys.most_of_a_key() == 0);
  for (auto i = 0; i < 10; ++i) keys.next();
  CHECK(keys.most_of_a_key() == 1);
}
