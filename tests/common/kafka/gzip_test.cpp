// librdkafka as compose/setup builds it, with compose/patches/librdkafka-gzip.patch: whoever may write to a topic
// chooses the bytes that its consumers inflate.
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <optional>
#include <random>
#include <string>

#include <doctest/doctest.h>
#include <unistd.h>
#include <zlib.h>

// Not of librdkafka's interface. Absent where it is a shared library of the system's.
extern "C" [[gnu::weak]] void* rd_gz_decompress(void const* compressed, int length, std::uint64_t* decompressed_length);

namespace {

constexpr int gzip_format = 15 + 16;

std::string gzip(std::string const& text) {
  z_stream stream{};
  REQUIRE(deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, gzip_format, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  std::string result(deflateBound(&stream, text.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(result.data());
  stream.avail_out = static_cast<uInt>(result.size());
  REQUIRE(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  result.resize(stream.total_out);
  deflateEnd(&stream);
  return result;
}

std::optional<std::string> inflate_batch(std::string const& batch) {
  // As long as the batch, so that the address sanitizer sees a read beyond it.
  auto const exact = std::make_unique<char[]>(batch.size());
  batch.copy(exact.get(), batch.size());
  std::uint64_t length = 0;
  alarm(20);  // without the patch, a batch that ends early is inflated for ever
  std::unique_ptr<char, void (*)(void*)> const inflated{
      static_cast<char*>(rd_gz_decompress(exact.get(), static_cast<int>(batch.size()), &length)), &std::free};
  alarm(0);
  return inflated ? std::optional{std::string{inflated.get(), length}} : std::nullopt;
}

bool is_there() {
  if (rd_gz_decompress == nullptr) MESSAGE("librdkafka is a shared library: nothing to test");
  return rd_gz_decompress != nullptr;
}

}  // namespace

TEST_CASE("a gzip batch is inflated to what it was, of whatever length") {
  if (!is_there()) return;
  for (std::size_t const length : {1U, 511U, 512U, 513U, 4096U, 3'000'000U}) {
    std::string text(length, 'a');
    for (std::size_t i = 0; i < length; i += 7) text[i] = static_cast<char>('a' + i % 26);
    CHECK(inflate_batch(gzip(text)) == text);
  }
}

TEST_CASE("a gzip batch whose trailer lies about its length is refused") {
  if (!is_there()) return;
  auto const batch = gzip(std::string(1000, 'a'));
  for (std::size_t from_end = 1; from_end <= 4; ++from_end) {
    auto lying = batch;
    lying[lying.size() - from_end] ^= '\x55';
    CHECK_FALSE(inflate_batch(lying));
  }
}

TEST_CASE("a gzip batch that ends early, or is damaged, is refused and holds nobody up") {
  if (!is_there()) return;
  auto const text = std::string(5000, 'x') + "end";
  auto const whole = gzip(text);
  for (std::size_t length = 0; length < whole.size(); ++length) CHECK_FALSE(inflate_batch(whole.substr(0, length)));
  std::mt19937 random{7};
  for (int i = 0; i < 2000; ++i) {
    auto damaged = whole;
    auto& byte = damaged[random() % damaged.size()];
    byte = static_cast<char>(static_cast<unsigned char>(byte) ^ (1U << (random() % 8)));
    auto const inflated = inflate_batch(damaged);
    if (inflated) CHECK(*inflated == text);  // where nothing of the text depends on the bit
  }
}
