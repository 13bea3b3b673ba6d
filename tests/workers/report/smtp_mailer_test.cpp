// E-mail through a real SMTP server.
#include "workers/report/smtp_mailer.hpp"

#include "concurrency/outgoing.hpp"
#include "json/decode.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/describe/class.hpp>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace omnibus;
using namespace omnibus::report;

namespace {

/// A message as the server read it.
struct TakenMail {
  std::string sender;
  std::vector<std::string> recipients;
  std::string subject, to;
  std::vector<std::string> headers;
  std::string text, html;
  std::int64_t longest_line = 0;
  std::string unsubscribe;
};
BOOST_DESCRIBE_STRUCT(TakenMail, (), (sender, recipients, subject, to, headers, text, html, longest_line, unsubscribe))

constexpr auto const* python = "/usr/bin/python3";  // the one that Debian's packages are for

/// The server, and a mailer that uses it.
class MailServer {
 public:
  MailServer() {
    std::array<int, 2> in{};
    std::array<int, 2> out{};
    REQUIRE(::pipe2(in.data(), O_CLOEXEC) == 0);
    REQUIRE(::pipe2(out.data(), O_CLOEXEC) == 0);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in[0], STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
    std::array<char*, 3> arguments{const_cast<char*>(python), const_cast<char*>(OMNIBUS_SMTP_SERVER), nullptr};
    REQUIRE(::posix_spawn(&process_, python, &actions, nullptr, arguments.data(), environ) == 0);
    posix_spawn_file_actions_destroy(&actions);
    ::close(in[0]);
    ::close(out[1]);
    in_ = in[1];
    out_ = ::fdopen(out[0], "r");
    auto const port = read_line();
    REQUIRE_MESSAGE(!port.empty(), "the SMTP server did not start: is python3-aiosmtpd installed?");
    settings.smtp_url = Secret{"smtp://127.0.0.1:" + port};
    settings.smtp_from = "reports@omnibus.example";
  }
  MailServer(MailServer const&) = delete;
  MailServer& operator=(MailServer const&) = delete;
  ~MailServer() {
    ::close(in_);  // it ends with its input
    ::waitpid(process_, nullptr, 0);
    std::fclose(out_);
  }

  MailResult send(Email email) {
    boost::asio::io_context loop;
    SmtpMailer mailer{settings};
    std::optional<MailResult> result;
    boost::asio::co_spawn(
        loop,
        [&]() -> Task<> {
          auto sending = mailer.send(std::move(email));
          result = co_await std::move(sending);
        },
        [](std::exception_ptr const& error) { CHECK(error == nullptr); });
    loop.run();
    REQUIRE(result);
    return *result;
  }
  MailResult send_to(std::string const& to) {
    return send({"reports@omnibus.example", to, "Ann", "Your report", "Hello", "<p>Hello</p>", "1@omnibus.example", "",
                 1'795'168'800'000});
  }
  /// The message that it took next.
  TakenMail taken() {
    auto const line = read_line();
    auto mail = json::decode<TakenMail>(line);
    REQUIRE_MESSAGE(mail.has_value(), line);
    return *std::move(mail);
  }

  ReportSettings settings;

 private:
  std::string read_line() {
    std::string line;
    for (int c = std::fgetc(out_); c != EOF && c != '\n'; c = std::fgetc(out_)) line += static_cast<char>(c);
    return line;
  }

  ::pid_t process_ = 0;
  int in_ = -1;
  std::FILE* out_ = nullptr;
};

}  // namespace

TEST_CASE("a hostile message arrives as one message of one recipient with the same text") {
  MailServer server;
  Email email{"reports@omnibus.example",
              "eve@example.org",
              "Eve\r\nBcc: x@example.org",
              "",
              "",
              "<p>é</p>",
              "1@omnibus.example",
              "https://omnibus.example/v1/reports/unsubscribe?user=1",
              1'795'168'800'000};
  for (int i = 0; i < 40; ++i) email.subject += "🧑";
  email.text = "Hello é\n.\nMAIL FROM:<x@example.org>\n..\n" + std::string(8000, 'x') + "\n";
  CHECK(server.send(email).fate == MailFate::sent);
  auto const taken = server.taken();
  CHECK(taken.sender == "reports@omnibus.example");
  CHECK(taken.recipients == std::vector<std::string>{"eve@example.org"});
  CHECK(taken.subject == email.subject);
  CHECK(taken.to == "\"Eve Bcc: x@example.org\" <eve@example.org>");
  CHECK(taken.text == email.text);
  CHECK(taken.html == "<p>é</p>");
  CHECK(taken.longest_line <= 76);
  CHECK(taken.unsubscribe == "<https://omnibus.example/v1/reports/unsubscribe?user=1>");
  CHECK(std::find(taken.headers.begin(), taken.headers.end(), "Bcc") == taken.headers.end());
}

TEST_CASE("one refused recipient decides for no other") {
  MailServer server;
  for (auto const* const to : {"a@example.org", "b@example.org", "refused@example.org", "d@example.org"}) {
    auto const result = server.send_to(to);
    if (std::string_view{to}.starts_with("refused")) {
      CHECK(result.fate == MailFate::refused);
      CHECK(result.detail.starts_with("550"));
    } else {
      CHECK(result.fate == MailFate::sent);
      CHECK(server.taken().recipients == std::vector<std::string>{to});
    }
  }
}

TEST_CASE("a greylisting server is asked again later") {
  MailServer server;
  auto const first = server.send_to("later@example.org");
  CHECK(first.fate == MailFate::deferred);
  CHECK(first.detail.starts_with("451"));
  CHECK(server.send_to("later@example.org").fate == MailFate::sent);
  CHECK(server.send_to("greylisted@example.org").fate == MailFate::deferred);
}

TEST_CASE("a server that takes the message and hangs up before its answer leaves it in doubt") {
  MailServer server;
  CHECK(server.send_to("doubt@example.org").fate == MailFate::in_doubt);
  CHECK(server.taken().recipients == std::vector<std::string>{"doubt@example.org"});
}

TEST_CASE("without a server, or with one that refuses our password, every message waits") {
  MailServer server;
  auto const url = server.settings.smtp_url.reveal();
  server.settings.smtp_url = Secret{"smtp://127.0.0.1:1"};
  CHECK(server.send_to("a@example.org").fate == MailFate::deferred);
  server.settings.smtp_url = Secret{"smtp://user:secret@" + url.substr(7)};
  auto const result = server.send_to("a@example.org");
  CHECK(result.fate == MailFate::deferred);
  CHECK(result.detail.find("secret") == std::string::npos);
}

TEST_CASE("an address that is none is refused without a word to the server") {
  MailServer server;
  CHECK(server.send_to("a@b\r\nRCPT TO:<x@example.org>").fate == MailFate::refused);
}

TEST_CASE("settings that cannot be used are named when the worker starts") {
  ReportSettings settings;
  settings.smtp_from = "reports@omnibus.example";
  settings.smtp_url = Secret{"http://127.0.0.1"};
  CHECK_THROWS_WITH_AS(SmtpMailer{settings}, "SMTP_URL must begin with smtp:// or smtps://", std::invalid_argument);
  settings.smtp_url = Secret{"smtps://mail.example"};
  settings.smtp_from = "nobody";
  CHECK_THROWS_WITH_AS(SmtpMailer{settings}, "SMTP_FROM must be an e-mail address", std::invalid_argument);
}

TEST_CASE("while nothing may leave the process no mail is sent") {
  MailServer server;
  OutgoingBan const ban;
  boost::asio::io_context loop;
  SmtpMailer mailer{server.settings};
  std::exception_ptr refusal;
  boost::asio::co_spawn(
      loop,
      [&]() -> Task<> {
        auto sending = mailer.send({});
        static_cast<void>(co_await std::move(sending));
      },
      [&](std::exception_ptr const& error) { refusal = error; });
  loop.run();
  REQUIRE(refusal);
  CHECK_THROWS_AS(std::rethrow_exception(refusal), OutgoingRefused);
}
