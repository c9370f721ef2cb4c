from services.transcoder.app import main

main()
