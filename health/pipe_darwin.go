package health

import "os"

// growPipe: macOS sizes pipes by itself.
func growPipe(*os.File) {}
