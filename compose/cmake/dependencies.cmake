# Every library we stand on. `compose/setup` installs them; the two that Debian 12 has too old are in its cache.
if(DEFINED ENV{OMNIBUS_CACHE})
  list(APPEND CMAKE_PREFIX_PATH $ENV{OMNIBUS_CACHE}/deps)
else()
  list(APPEND CMAKE_PREFIX_PATH $ENV{HOME}/.cache/omnibus/deps)
endif()

find_package(Threads REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(ZLIB REQUIRED)
find_package(CURL REQUIRED)
find_package(Boost 1.81 CONFIG REQUIRED COMPONENTS system json url)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(simdjson REQUIRED)
find_package(yaml-cpp REQUIRED)
find_package(CLI11 REQUIRED)
find_package(prometheus-cpp CONFIG REQUIRED)
find_package(doctest REQUIRED)
find_package(PostgreSQL REQUIRED)
find_package(Protobuf REQUIRED)
find_package(ICU REQUIRED COMPONENTS uc i18n)
find_package(RdKafka 2.12 CONFIG REQUIRED)
if(OMNIBUS_SANITIZE MATCHES thread) # which knows no threads but POSIX ones
  add_library(omnibus_c11_threads STATIC ${CMAKE_SOURCE_DIR}/tests/c11_threads.cpp)
  target_link_libraries(omnibus_c11_threads PRIVATE omnibus_options)
  target_link_libraries(RdKafka::rdkafka INTERFACE omnibus_c11_threads)
endif()
find_package(libpqxx 7.9 CONFIG QUIET)
if(NOT libpqxx_FOUND) # Debian's package has no CMake files, only pkg-config's
  find_package(PkgConfig REQUIRED)
  pkg_check_modules(libpqxx REQUIRED IMPORTED_TARGET GLOBAL libpqxx>=7.9)
  add_library(libpqxx::pqxx ALIAS PkgConfig::libpqxx)
endif()

# Asio and Beast are compiled once, in common/concurrency/asio.cpp, not in every file that includes them.
add_library(omnibus_asio_options INTERFACE)
target_compile_definitions(omnibus_asio_options INTERFACE BOOST_ASIO_SEPARATE_COMPILATION BOOST_BEAST_SEPARATE_COMPILATION
                                                           BOOST_ASIO_NO_DEPRECATED BOOST_ASIO_DISABLE_BOOST_COROUTINE)
target_link_libraries(omnibus_asio_options INTERFACE Boost::headers OpenSSL::SSL OpenSSL::Crypto Threads::Threads)

# malloc of our programs: glibc's takes a seventh of the CPU of a worker that makes and frees much at a time. Sanitizers and
# fuzzers bring their own.
add_library(omnibus_malloc INTERFACE)
if(NOT OMNIBUS_SANITIZE AND NOT OMNIBUS_FUZZ)
  find_package(PkgConfig REQUIRED)
  pkg_check_modules(jemalloc REQUIRED IMPORTED_TARGET jemalloc)
  target_link_libraries(omnibus_malloc INTERFACE PkgConfig::jemalloc)
endif()

# Debian's CMake file for it also wants md4c-html, which its -dev package does not bring.
find_package(PkgConfig REQUIRED)
pkg_check_modules(md4c REQUIRED IMPORTED_TARGET md4c)

# No CMake package of its own. `compose/setup` has its headers where Debian's -dev package cannot be installed; the
# library is then known by its full name only.
find_path(PHONENUMBER_INCLUDE_DIR phonenumbers/phonenumberutil.h REQUIRED)
find_library(PHONENUMBER_LIBRARY NAMES phonenumber libphonenumber.so.8 REQUIRED)
add_library(omnibus_phonenumber INTERFACE)
target_include_directories(omnibus_phonenumber SYSTEM INTERFACE ${PHONENUMBER_INCLUDE_DIR})
target_link_libraries(omnibus_phonenumber INTERFACE ${PHONENUMBER_LIBRARY} protobuf::libprotobuf)
