/* The files of every folder below one, loaded by OpenSSL one after the other: certificate, encrypted key,
   whether they belong together, and what a connection needs of them. Prints how many and how long. */
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <openssl/pem.h>
#include <openssl/ssl.h>

static int password(char *into, int room, int writing, void *given) {
  (void)writing;
  int length = (int)strlen(given);
  if (length > room) return 0;
  memcpy(into, given, length);
  return length;
}

int main(int count, char **words) {
  if (count != 3) return 2;
  DIR *folder = opendir(words[1]);
  if (!folder) return 1;
  struct timespec begin, end;
  clock_gettime(CLOCK_MONOTONIC, &begin);
  int loaded = 0;
  struct dirent *entry;
  while ((entry = readdir(folder))) {
    if (entry->d_name[0] == '.') continue;
    char certificate[4096], key[4096];
    snprintf(certificate, sizeof certificate, "%s/%s/certificate.cer", words[1], entry->d_name);
    snprintf(key, sizeof key, "%s/%s/private.key", words[1], entry->d_name);
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_default_passwd_cb(context, password);
    SSL_CTX_set_default_passwd_cb_userdata(context, words[2]);
    if (SSL_CTX_use_certificate_chain_file(context, certificate) == 1 &&
        SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) == 1 &&
        SSL_CTX_check_private_key(context) == 1)
      loaded++;
    SSL_CTX_free(context);
  }
  clock_gettime(CLOCK_MONOTONIC, &end);
  printf("{\"loaded\": %d, \"milliseconds\": %.3f}\n", loaded,
         (end.tv_sec - begin.tv_sec) * 1e3 + (end.tv_nsec - begin.tv_nsec) / 1e6);
  return 0;
}
