// archive_files: the files of the image's archive, to be mapped. The smallest pager.
//
// Clients are not trusted: they get folios that they can only read, one for each file that they open.
#include <file.server.h>
#include <starina/pager.h>

enum { FILES_MAX = 32 }; // open at a time
enum : nsec_t { PATIENCE = NSEC_PER_SEC };

// Nothing is kept between two requests.
struct client {
    uint8_t unused;
};

// The archive's pages are not copied: whoever maps the file shares them.
static status_t needed(pager_t pager, void *context, uint64_t offset, uint64_t size) {
    const struct archive_entry *file = context;
    return pager_supply(pager, offset, size, archive_folio(), file->offset + offset);
}

static const struct page_source source = {.needed = needed};

static status_t file_open(struct client *client, const struct file_open *request, struct file_open_reply *reply) {
    (void) client;
    const struct archive_entry *file = archive_find(request->path);
    if (file == nullptr) {
        return ERR_NOT_FOUND;
    }
    if (file->size == 0) {
        return ERR_EMPTY;
    }
    reply->size = file->size;
    return pager_start(file->size, PATIENCE, &source, (void *) file, &reply->folio);
}

COMPONENT(archive_files, .clients = 8, .watches = FILES_MAX);
