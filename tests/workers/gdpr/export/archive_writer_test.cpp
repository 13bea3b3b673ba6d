#include "workers/gdpr/export/archive_writer.hpp"

#include "hash/hash.hpp"
#include "json/decode.hpp"
#include "tests/workers/gdpr/export/opened_archive.hpp"
#include "workers/gdpr/export/sealed_parts.hpp"

#include <algorithm>
#include <stdexcept>
#include <string>
#include <vector>

#include <doctest/doctest.h>

using namespace omnibus;
using namespace omnibus::gdpr;
using namespace omnibus::gdpr::test;

namespace {

ArchiveManifest manifest_of(std::map<std::string, std::string> const& files) {
  auto const& text = files.at("manifest.json");
  return json::decode<ArchiveManifest>(text, {.bytes = text.size()}).value();
}

}  // namespace

TEST_CASE("an archive holds its lines, and a manifest with their true numbers and sums") {
  std::string bytes;
  ArchiveWriter writer{[&](std::string_view piece) { bytes += piece; }, 1'764'410'400'000};
  writer.begin("messages");
  writer.add(R"({"seq":1})");
  writer.add(R"({"seq":2})");
  writer.begin("empty");
  writer.begin("chat.messages");
  writer.add(R"({"offset":0})");
  writer.finish({"omnibus-export/1", random_uuid(), "shop.example", "2026-11-29T10:00:00Z", {}, {}});

  auto const files = files_of(bytes);
  CHECK(files.at("messages.0001.jsonl") == "{\"seq\":1}\n{\"seq\":2}\n");
  CHECK(files.at("chat.messages.0001.jsonl") == "{\"offset\":0}\n");
  CHECK(files.size() == 3);
  auto const manifest = manifest_of(files);
  REQUIRE(manifest.counts.size() == 3);
  CHECK(manifest.counts[0].count == 2);
  CHECK(manifest.counts[1].name == "empty");
  CHECK(manifest.counts[1].count == 0);
  REQUIRE(manifest.files.size() == 2);
  for (auto const& file : manifest.files) {
    CHECK(file.sha256 == to_hex(sha256(files.at(file.name))));
    CHECK(file.bytes == std::ssize(files.at(file.name)));
    CHECK(file.lines == std::ranges::count(files.at(file.name), '\n'));
  }
}

TEST_CASE("a large table becomes several files, of which one is in memory") {
  std::string bytes;
  std::size_t longest = 0;
  ArchiveWriter writer{[&](std::string_view piece) {
                         longest = std::max(longest, piece.size());
                         bytes += piece;
                       },
                       0};
  std::string const line(100'000, 'x');
  writer.begin("messages");
  for (int i = 0; i < 100; ++i) writer.add(line);
  writer.finish({});
  auto const files = files_of(bytes);
  CHECK(files.size() == 4);
  std::int64_t lines = 0;
  for (auto const& file : manifest_of(files).files) lines += file.lines;
  CHECK(lines == 100);
  CHECK(longest < 1'000'000);
}

TEST_CASE("when the bytes cannot be stored, that failure is thrown") {
  ArchiveWriter writer{[](std::string_view) { throw std::domain_error("the disk is full"); }, 0};
  writer.begin("messages");
  writer.add("{}");
  CHECK_THROWS_AS(writer.finish({}), std::domain_error);
}

TEST_CASE("sealed parts give back the bytes, and hold nothing readable") {
  std::vector<std::string> stored;
  SealedParts parts{[&](std::int64_t number, std::string_view sealed) {
    REQUIRE(number == std::ssize(stored));
    stored.emplace_back(sealed);
  }};
  std::string all;
  for (int i = 0; i < 3000; ++i) {
    auto const piece = "a secret line " + std::to_string(i) + std::string(200, '.');
    parts.write(piece);
    all += piece;
  }
  parts.finish();
  std::string opened;
  for (std::size_t i = 0; i < stored.size(); ++i) {
    CHECK(stored[i].find("secret") == std::string::npos);
    opened += privacy::open_part(parts.key(), static_cast<std::int64_t>(i), stored[i]).value();
  }
  CHECK(opened == all);
  CHECK(stored.size() == all.size() / privacy::archive_part_bytes + 1);
  CHECK(parts.size() == std::ssize(all));
  CHECK(parts.sha256_hex() == to_hex(sha256(all)));
}
