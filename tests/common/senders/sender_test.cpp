#include "senders/sender.hpp"

#include "senders/secret_folder.hpp"

#include <filesystem>
#include <fstream>

#include <doctest/doctest.h>
#include <unistd.h>

using namespace omnibus;
using namespace omnibus::senders;

namespace {

Sender sender_of(std::string domain, std::string channel, std::string provider, std::string sender) {
  return {random_uuid(), std::move(domain), std::move(channel), std::move(provider), "AC1", std::move(sender), {}};
}

/// A folder that is removed again.
struct Folder {
  Folder() : path{std::filesystem::temp_directory_path() / ("omnibus-secrets-" + std::to_string(::getpid()))} {
    std::filesystem::create_directories(path / "inner");
  }
  ~Folder() { std::filesystem::remove_all(path); }
  void put(std::string const& name, std::string const& text) const { std::ofstream{path / name} << text; }

  std::filesystem::path path;
};

}  // namespace

TEST_CASE("a sender is found by its tenant and by the number that a message came to") {
  SenderList const list{{sender_of("a.example", "sms", "twilio_sms", "+15550001111"),
                         sender_of("b.example", "sms", "mtn_sms", "2345"),
                         sender_of("b.example", "whatsapp", "whatsapp_cloud", "1055")}};
  REQUIRE(list.of_tenant("b.example", "whatsapp") != nullptr);
  CHECK(list.of_tenant("b.example", "whatsapp")->sender == "1055");
  CHECK(list.of_tenant("a.example", "whatsapp") == nullptr);
  REQUIRE(list.of_number("sms", "15550001111") != nullptr);  // MTN writes numbers without the plus
  CHECK(list.of_number("sms", "15550001111")->domain == "a.example");
  CHECK(list.of_number("sms", "+15550001111")->domain == "a.example");
  CHECK(list.of_number("sms", "1055") == nullptr);  // of another channel
  CHECK(list.of_number("sms", "") == nullptr);
}

TEST_CASE("a sender names the secret of each role") {
  auto sender = sender_of("a.example", "sms", "mtn_sms", "EasyMO");
  sender.secrets = {"api_key=a-key", "api_secret=a-secret"};
  CHECK(sender.secret("api_secret") == "a-secret");
  CHECK(sender.secret("api") == "");
  CHECK(sender.secret("auth_token") == "");
}

TEST_CASE("a secret is the file of its name, and no name leads out of the folder") {
  Folder const folder;
  folder.put("token", "s3cret\n");
  folder.put("empty", "\n");
  SecretFolder const secrets{folder.path.string()};
  CHECK(secrets.read("token").value_or(Secret{}).reveal() == "s3cret");
  folder.put("token", "newer");
  CHECK(secrets.read("token").value_or(Secret{}).reveal() == "newer");
  for (auto const* const name : {"empty", "missing", "inner", "", ".", "..", "../token", "inner/../token", "a b"})
    CHECK_FALSE(secrets.read(name));
  CHECK_FALSE(SecretFolder{""}.read("token"));
}
