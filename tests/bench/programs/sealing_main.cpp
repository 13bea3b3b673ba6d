/// tests/bench/sealing: see --help.
#include "events/chat.hpp"
#include "hash/aes_gcm.hpp"
#include "json/encode.hpp"
#include "sealing/personal_fields.hpp"
#include "sealing/sealed_text.hpp"
#include "usage.hpp"
#include "uuid/uuid.hpp"

#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/core.h>
#include <openssl/evp.h>

namespace omnibus::bench {
namespace {

unsigned char* bytes_of(std::string& text) {
  return reinterpret_cast<unsigned char*>(text.data());
}

void require(bool succeeded) {
  if (!succeeded) throw std::runtime_error("it does not open to what was sealed");
}

/// OpenSSL's cipher and nothing else: one context, which every message begins anew with the key and a nonce of its own.
class BareCipher {
 public:
  BareCipher() : context_{EVP_CIPHER_CTX_new(), EVP_CIPHER_CTX_free}, key_{random_aes_key()} {
    require(context_ != nullptr);
  }

  /// Encrypts in place, with room for the tag behind the text.
  void seal(std::string& text) {
    begin(1);
    int size = 0;
    auto const length = static_cast<int>(text.size() - gcm_tag_bytes);
    require(EVP_CipherUpdate(context_.get(), bytes_of(text), &size, bytes_of(text), length) == 1);
    require(EVP_CipherFinal_ex(context_.get(), bytes_of(text) + size, &size) == 1);
    require(EVP_CIPHER_CTX_ctrl(context_.get(), EVP_CTRL_GCM_GET_TAG, gcm_tag_bytes, bytes_of(text) + length) == 1);
  }
  void open(std::string& text) {
    begin(0);
    int size = 0;
    auto const length = static_cast<int>(text.size() - gcm_tag_bytes);
    require(EVP_CipherUpdate(context_.get(), bytes_of(text), &size, bytes_of(text), length) == 1);
    require(EVP_CIPHER_CTX_ctrl(context_.get(), EVP_CTRL_GCM_SET_TAG, gcm_tag_bytes, bytes_of(text) + length) == 1);
    require(EVP_CipherFinal_ex(context_.get(), bytes_of(text) + size, &size) == 1);
  }

 private:
  void begin(int encrypting) {
    require(EVP_CipherInit_ex(context_.get(), EVP_aes_256_gcm(), nullptr, key_.data(), nonce_.data(), encrypting) == 1);
  }

  std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)> context_;
  AesKey const key_;
  GcmNonce nonce_{};
};

/// Microseconds of CPU that one call takes.
template <class Call>
double measure(std::size_t calls, Call call) {
  auto const begun = cpu_seconds();
  for (std::size_t i = 0; i < calls; ++i) call();
  return (cpu_seconds() - begun) / static_cast<double>(calls) * 1e6;
}

}  // namespace
}  // namespace omnibus::bench

int main(int argc, char** argv) {
  using namespace omnibus;
  using namespace omnibus::bench;
  std::size_t messages = 200'000;
  std::size_t bytes = 400;
  CLI::App application{
      "Seals and opens chat messages as the engine does, beside AES-256-GCM of OpenSSL on the same texts. Prints one "
      "line,\nin microseconds of CPU for a message.",
      "tests/bench/sealing"};
  application.add_option("--messages", messages, "How many of each")->check(CLI::PositiveNumber)->capture_default_str();
  application.add_option("--bytes", bytes, "Size of a message's text")
      ->check(CLI::Range(1, 100'000))
      ->capture_default_str();
  CLI11_PARSE(application, argc, argv);
  try {
    std::string const text(bytes, 'x');
    auto const clear = json::encode(ChatMessageReceived{"shop.example", "visitor-1", text});
    auto const* const fields = sealing::personal_fields(ChatMessageReceived::type);
    require(fields != nullptr);
    auto const key = random_aes_key();
    auto const key_id = random_uuid();
    auto const id = to_string(random_uuid());
    auto const seal = [&] {
      return sealing::change_texts(clear, *fields, [&](std::string_view pointer, std::string_view part) {
        return sealing::seal_text(key_id, key, sealing::binding_of(ChatMessageReceived::type, pointer, id), part);
      });
    };
    auto const open = [&](std::string_view sealed) {
      return sealing::change_texts(sealed, *fields, [&](std::string_view pointer, std::string_view part) {
        auto const parsed = sealing::parse_sealed_text(part);
        require(parsed.has_value());
        return sealing::open_text(key, sealing::binding_of(ChatMessageReceived::type, pointer, id), *parsed).value();
      });
    };
    auto const sealed = seal();
    require(sealed != clear && open(sealed) == clear);
    std::size_t held = 0;  // what is computed is used
    auto const seal_us = measure(messages, [&] { held += seal().size(); });
    auto const open_us = measure(messages, [&] { held += open(sealed).size(); });
    BareCipher cipher;
    auto room = text + std::string(gcm_tag_bytes, '\0');
    auto const bare_seal_us = measure(messages, [&] { cipher.seal(room); });
    room = text + std::string(gcm_tag_bytes, '\0');
    cipher.seal(room);
    auto const encrypted = room;
    auto const bare_open_us = measure(messages, [&] {
      room = encrypted;
      cipher.open(room);
    });
    require(held > 0 && room.substr(0, bytes) == text);
    fmt::print("messages={} seal_us={:.3f} open_us={:.3f} bare_seal_us={:.3f} bare_open_us={:.3f} growth={:.2f}\n",
               messages, seal_us, open_us, bare_seal_us, bare_open_us,
               static_cast<double>(sealed.size()) / static_cast<double>(clear.size()));
  } catch (std::exception const& error) {
    fmt::print(stderr, "tests/bench/sealing: {}\n", error.what());
    return 1;
  }
  return 0;
}
