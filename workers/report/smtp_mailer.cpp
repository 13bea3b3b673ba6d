#include "workers/report/smtp_mailer.hpp"

#include "concurrency/outgoing.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <exception>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string_view>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <curl/curl.h>
#include <fmt/format.h>

namespace omnibus::report {
namespace {

/// The message while libcurl takes it.
struct OutgoingMail {
  std::string bytes;
  std::size_t at = 0;
  std::atomic<bool> const* stopping = nullptr;
  bool is_all_sent() const { return at == bytes.size(); }
};

std::size_t read_mail(char* out, std::size_t size, std::size_t count, void* mail_) {
  auto& mail = *static_cast<OutgoingMail*>(mail_);
  auto const length = std::min(size * count, mail.bytes.size() - mail.at);
  std::memcpy(out, mail.bytes.data() + mail.at, length);
  mail.at += length;
  return length;
}

int watch_progress(void* mail, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return static_cast<OutgoingMail*>(mail)->stopping->load() ? 1 : 0;
}

struct CurlCleanup {
  void operator()(CURL* curl) const { curl_easy_cleanup(curl); }
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};

template <class Value>
void set(CURL* curl, CURLoption option, Value value) {
  auto const code = curl_easy_setopt(curl, option, value);
  if (code != CURLE_OK) throw std::runtime_error{curl_easy_strerror(code)};
}

bool has_password(std::string_view url) {
  return url.find('@') != std::string_view::npos;
}

bool is_this_machine(std::string_view url) {
  static constexpr std::array<std::string_view, 3> names{"localhost", "127.0.0.1", "[::1]"};
  auto const host = url.substr(has_password(url) ? url.rfind('@') + 1 : url.find("://") + 3);
  return std::any_of(names.begin(), names.end(), [&](std::string_view name) {
    return host.starts_with(name) &&
           (host.size() == name.size() || host[name.size()] == ':' || host[name.size()] == '/');
  });
}

/// What became of a message when libcurl did not succeed. @param code the server's last one; 0 when there was none.
MailResult result_of_failure(CURLcode error, long code, bool is_all_sent) {
  auto detail = code > 0 ? fmt::format("{} {}", code, curl_easy_strerror(error)) : curl_easy_strerror(error);
  if (code >= 400 && code < 500) return {MailFate::deferred, std::move(detail)};
  // The refusal of a recipient, a sender or a message. A server that greets so or refuses our password refuses us.
  auto const is_refusal = code >= 500 && (is_all_sent || error == CURLE_SEND_ERROR);
  if (is_refusal) return {MailFate::refused, std::move(detail)};
  if (code < 500 && is_all_sent) return {MailFate::in_doubt, std::move(detail)};
  return {MailFate::deferred, std::move(detail)};
}

}  // namespace

SmtpMailer::SmtpMailer(ReportSettings const& settings)
    : url_{settings.smtp_url.reveal()},
      needs_encryption_{has_password(url_) && !is_this_machine(url_)},
      deadline_ms_{static_cast<long>(settings.smtp_deadline.count())},
      threads_{static_cast<std::size_t>(settings.smtp_connections)} {
  if (!url_.starts_with("smtp://") && !url_.starts_with("smtps://"))
    throw std::invalid_argument{"SMTP_URL must begin with smtp:// or smtps://"};
  if (!rules::is_email(settings.smtp_from)) throw std::invalid_argument{"SMTP_FROM must be an e-mail address"};
  static std::once_flag once;
  std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
}

SmtpMailer::~SmtpMailer() {
  stopping_ = true;
  threads_.join();
}

Task<MailResult> SmtpMailer::send(Email email) {
  require_outgoing("an e-mail");
  auto sending = boost::asio::co_spawn(threads_, send_on_thread(std::move(email)), boost::asio::use_awaitable);
  co_return co_await std::move(sending);
}

Task<MailResult> SmtpMailer::send_on_thread(Email email) {
  co_return perform(email);
}

MailResult SmtpMailer::perform(Email const& email) const {
  OutgoingMail mail{{}, 0, &stopping_};
  try {
    mail.bytes = render_email(email);
  } catch (std::invalid_argument const& error) {
    return {MailFate::refused, error.what()};
  }
  try {
    std::unique_ptr<CURL, CurlCleanup> const curl{curl_easy_init()};
    std::unique_ptr<curl_slist, CurlCleanup> const recipients{curl_slist_append(nullptr, email.to.c_str())};
    if (!curl || !recipients) throw std::runtime_error{"out of memory"};
    set(curl.get(), CURLOPT_URL, url_.c_str());
    set(curl.get(), CURLOPT_PROTOCOLS_STR, "smtp,smtps");
    set(curl.get(), CURLOPT_USE_SSL, static_cast<long>(needs_encryption_ ? CURLUSESSL_ALL : CURLUSESSL_TRY));
    set(curl.get(), CURLOPT_MAIL_FROM, email.from.c_str());
    set(curl.get(), CURLOPT_MAIL_RCPT, recipients.get());
    set(curl.get(), CURLOPT_UPLOAD, 1L);
    set(curl.get(), CURLOPT_READFUNCTION, &read_mail);
    set(curl.get(), CURLOPT_READDATA, static_cast<void*>(&mail));
    set(curl.get(), CURLOPT_XFERINFOFUNCTION, &watch_progress);
    set(curl.get(), CURLOPT_XFERINFODATA, static_cast<void*>(&mail));
    set(curl.get(), CURLOPT_NOPROGRESS, 0L);
    set(curl.get(), CURLOPT_NOSIGNAL, 1L);
    set(curl.get(), CURLOPT_TIMEOUT_MS, deadline_ms_);
    set(curl.get(), CURLOPT_CONNECTTIMEOUT_MS, deadline_ms_);
    auto const error = curl_easy_perform(curl.get());
    if (error == CURLE_OK) return {MailFate::sent, {}};
    long code = 0;
    curl_easy_getinfo(curl.get(), CURLINFO_RESPONSE_CODE, &code);
    return result_of_failure(error, code, mail.is_all_sent());
  } catch (std::exception const& error) {
    return {mail.is_all_sent() ? MailFate::in_doubt : MailFate::deferred, error.what()};
  }
}

}  // namespace omnibus::report
