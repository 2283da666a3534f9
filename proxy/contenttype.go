package proxy

import (
	"io"
	"mime"
	"net/http"
	"path/filepath"
	"strings"
)

// contentType goes by the extension, whatever the machine has in its own tables
// for the types of the web. A file without a known one is given out as text if it
// begins as text does, and else as bytes to save: to guess HTML from the content
// would let whoever may upload a file run scripts in the site's name.
func contentType(file io.ReadSeeker, name string) string {
	extension := strings.ToLower(filepath.Ext(name))
	if known := webType(extension); known != "" {
		return known
	}
	if known := mime.TypeByExtension(extension); known != "" {
		return known
	}
	var head [512]byte // as much as DetectContentType looks at
	n, _ := io.ReadFull(file, head[:])
	_, _ = file.Seek(0, io.SeekStart) // fails for no regular file, and ServeContent seeks too
	if text := "text/plain; charset=utf-8"; http.DetectContentType(head[:n]) == text {
		return text
	}
	return "application/octet-stream"
}

// webType is from the registry of media types of IANA.
func webType(extension string) string {
	switch extension {
	case ".html", ".htm":
		return "text/html; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".js", ".mjs":
		return "text/javascript; charset=utf-8"
	case ".txt", ".text", ".log", ".conf":
		return "text/plain; charset=utf-8"
	case ".csv":
		return "text/csv; charset=utf-8"
	case ".md":
		return "text/markdown; charset=utf-8"
	case ".xml":
		return "text/xml; charset=utf-8"
	case ".json", ".map":
		return "application/json"
	case ".webmanifest":
		return "application/manifest+json"
	case ".pdf":
		return "application/pdf"
	case ".wasm":
		return "application/wasm"
	case ".gz", ".tgz":
		return "application/gzip"
	case ".zip":
		return "application/zip"
	default:
		return mediaType(extension)
	}
}

// mediaType is for pictures, sounds, films and fonts.
func mediaType(extension string) string {
	switch extension {
	case ".png", ".gif", ".webp", ".avif", ".bmp":
		return "image/" + extension[1:]
	case ".jpg", ".jpeg":
		return "image/jpeg"
	case ".svg":
		return "image/svg+xml"
	case ".ico":
		return "image/vnd.microsoft.icon"
	case ".woff", ".woff2", ".ttf", ".otf":
		return "font/" + extension[1:]
	case ".mp4", ".webm":
		return "video/" + extension[1:]
	case ".mp3":
		return "audio/mpeg"
	case ".ogg", ".wav":
		return "audio/" + extension[1:]
	default:
		return ""
	}
}
