/* rules: placeholder so that the archive is not empty; goes with the room's first file. */
