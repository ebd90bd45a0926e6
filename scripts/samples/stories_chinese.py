STORIES: tuple = ()
